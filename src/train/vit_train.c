/* vit_train.c - see vit_train.h. */
#include "vit_train.h"

#include <math.h>
#include <string.h>

bool gm_vit_block_learns(const gm_training *t, const gm_vit_block *w) {
#define VEC(member, name, size)                                                                \
  if (gm_learns(t, w->member)) return true;
#define MAT(member, name, precision, rows, columns)                                            \
  if (gm_learns(t, w->member.data)) return true;
  GM_VIT_BLOCK_WEIGHTS(VEC, MAT)
#undef VEC
#undef MAT
  return false;
}

/* The products that give queries, keys and values: one matrix where the family has it fused. */
typedef struct projection {
  const gm_tensor *w;
  const float *bias;
  size_t at; /* first column of qkv */
} projection;

static size_t projections(projection out[3], const gm_vit_block *w, size_t C) {
  out[0] = (projection){&w->qkv, w->qkv_b, 0};
  if (w->qkv.data) return 1;
  out[0] = (projection){&w->q, w->q_b, 0};
  out[1] = (projection){&w->k, w->k_b, C};
  out[2] = (projection){&w->v, w->v_b, 2 * C};
  return 3;
}

/* All entries are of one length. */
static gm_status attention_shape(const gm_training *t, const gm_vit_shape *s, size_t batch,
                                 size_t tokens, gm_attention_shape *out) {
  size_t *lengths = gm_scratch(t->c, batch * sizeof *lengths, "attention lengths");
  if (!lengths) return GM_ERR_MEMORY;
  for (size_t i = 0; i < batch; i++) lengths[i] = tokens;
  size_t C = s->dim, d = C / s->heads;
  *out = (gm_attention_shape){.lengths = lengths,
                              .n_sequences = batch,
                              .heads = s->heads,
                              .kv_heads = s->heads,
                              .head_dim = d,
                              .scale = 1.0f / sqrtf((float)d),
                              .causal = s->causal,
                              .q_row = 3 * C,
                              .kv_row = 3 * C,
                              .out_row = C};
  return GM_OK;
}

static float *copy_of(const gm_training *t, const float *x, size_t n) {
  float *copy = gm_scratch_f32(t->c, n, "kept states");
  if (copy) memcpy(copy, x, n * sizeof *x);
  return copy;
}

static gm_status attention_branch(const gm_training *t, const gm_vit_block *w,
                                  const gm_vit_shape *s, float *x, size_t batch, size_t tokens,
                                  gm_vit_kept *kept) {
  size_t C = s->dim, rows = batch * tokens;
  gm_compute *c = t->c;
  kept->stats1 = gm_scratch_f32(c, 2 * rows, "norm");
  kept->qkv = gm_scratch_f32(c, 3 * rows * C, "queries, keys, values");
  kept->mixed = gm_scratch_f32(c, rows * C, "attention output");
  kept->lse = gm_scratch_f32(c, rows * s->heads, "attention sums");
  kept->attended = w->scale1 ? gm_scratch_f32(c, rows * C, "attention branch") : NULL;
  if (!kept->stats1 || !kept->qkv || !kept->mixed || !kept->lse ||
      (w->scale1 && !kept->attended))
    return GM_ERR_MEMORY;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *y = gm_scratch_f32(c, rows * C, "attention input");
  gm_attention_shape shape;
  gm_status status = y ? attention_shape(t, s, batch, tokens, &shape) : GM_ERR_MEMORY;
  if (status == GM_OK)
    gm_layer_norm_train(t, y, kept->x, kept->stats1, rows, C, w->norm1_w, w->norm1_b, s->eps);
  projection p[3];
  for (size_t i = 0, n = projections(p, w, C); status == GM_OK && i < n; i++)
    status = gm_linear_train(t, p[i].w, p[i].bias, y, C, rows, kept->qkv + p[i].at, 3 * C);
  if (status == GM_OK)
    status = gm_attention_train(t, &shape, kept->qkv, kept->qkv + C, kept->qkv + 2 * C,
                                kept->mixed, kept->lse);
  if (status == GM_OK) {
    float *out = kept->attended ? kept->attended : y;
    status = gm_linear_train(t, &w->out, w->out_b, kept->mixed, C, rows, out, C);
    if (status == GM_OK && w->scale1) gm_scale_train(t, y, out, rows, C, w->scale1);
    if (status == GM_OK) gm_add(c, x, kept->x, y, rows * C);
  }
  gm_arena_restore(&c->arena, mark);
  return status;
}

static gm_status mlp_branch(const gm_training *t, const gm_vit_block *w, const gm_vit_shape *s,
                            float *x, size_t rows, gm_vit_kept *kept) {
  size_t C = s->dim, F = s->hidden;
  gm_compute *c = t->c;
  kept->stats2 = gm_scratch_f32(c, 2 * rows, "norm");
  kept->middle = copy_of(t, x, rows * C);
  kept->hidden = gm_scratch_f32(c, rows * F, "feed-forward layer");
  kept->fed = w->scale2 ? gm_scratch_f32(c, rows * C, "feed-forward branch") : NULL;
  if (!kept->stats2 || !kept->middle || !kept->hidden || (w->scale2 && !kept->fed))
    return GM_ERR_MEMORY;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *y = gm_scratch_f32(c, rows * C, "feed-forward input");
  float *h = gm_scratch_f32(c, rows * F, "feed-forward layer");
  gm_status status = y && h ? GM_OK : GM_ERR_MEMORY;
  if (status == GM_OK) {
    gm_layer_norm_train(t, y, x, kept->stats2, rows, C, w->norm2_w, w->norm2_b, s->eps);
    status = gm_linear_train(t, &w->fc1, w->fc1_b, y, C, rows, kept->hidden, F);
  }
  if (status == GM_OK) {
    gm_act_train(t, s->act, h, kept->hidden, rows * F);
    float *out = kept->fed ? kept->fed : y;
    status = gm_linear_train(t, &w->fc2, w->fc2_b, h, F, rows, out, C);
    if (status == GM_OK && w->scale2) gm_scale_train(t, y, out, rows, C, w->scale2);
    if (status == GM_OK) gm_add(c, x, x, y, rows * C);
  }
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* kept->x is set; the rest is computed into the arena. x: the output. */
static gm_status forward(const gm_training *t, const gm_vit_block *w, const gm_vit_shape *s,
                         float *x, size_t batch, size_t tokens, gm_vit_kept *kept) {
  GM_TRY(attention_branch(t, w, s, x, batch, tokens, kept));
  return mlp_branch(t, w, s, x, batch * tokens, kept);
}

gm_status gm_vit_block_train(const gm_training *t, const gm_vit_block *w,
                             const gm_vit_shape *shape, float *x, size_t batch, size_t tokens,
                             gm_vit_kept *kept) {
  *kept = (gm_vit_kept){.x = copy_of(t, x, batch * tokens * shape->dim)};
  if (!kept->x) return GM_ERR_MEMORY;
  if (!t->recompute) return forward(t, w, shape, x, batch, tokens, kept);
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_vit_kept dropped = *kept;
  gm_status status = forward(t, w, shape, x, batch, tokens, &dropped);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

/* d += the gradient through the feed-forward branch. */
static gm_status mlp_back(const gm_training *t, const gm_vit_block *w, const gm_vit_shape *s,
                          float *d, size_t rows, const gm_vit_kept *kept) {
  size_t C = s->dim, F = s->hidden;
  gm_compute *c = t->c;
  float *dy = copy_of(t, d, rows * C);
  float *h = gm_scratch_f32(c, rows * F, "feed-forward layer");
  float *dh = gm_scratch_f32(c, rows * F, "gradient of the feed-forward layer");
  float *y = gm_scratch_f32(c, rows * C, "feed-forward input");
  float *stats = gm_scratch_f32(c, 2 * rows, "norm");
  if (!dy || !h || !dh || !y || !stats) return GM_ERR_MEMORY;
  if (w->scale2) GM_TRY(gm_scale_back(t, dy, kept->fed, dy, rows, C, w->scale2));
  gm_act_train(t, s->act, h, kept->hidden, rows * F);
  GM_TRY(gm_linear_back(t, &w->fc2, w->fc2_b, h, F, dy, C, rows, dh, F, false));
  gm_act_back(t, s->act, dh, kept->hidden, dh, rows * F);
  gm_layer_norm_train(t, y, kept->middle, stats, rows, C, w->norm2_w, w->norm2_b, s->eps);
  GM_TRY(gm_linear_back(t, &w->fc1, w->fc1_b, y, C, dh, F, rows, dy, C, false));
  return gm_layer_norm_back(t, d, true, kept->middle, kept->stats2, dy, rows, C, w->norm2_w,
                            w->norm2_b);
}

static gm_status attention_back(const gm_training *t, const gm_vit_block *w,
                                const gm_vit_shape *s, float *d, size_t batch, size_t tokens,
                                const gm_vit_kept *kept) {
  size_t C = s->dim, rows = batch * tokens;
  gm_compute *c = t->c;
  float *dy = copy_of(t, d, rows * C);
  float *d_mixed = gm_scratch_f32(c, rows * C, "gradient of the attention");
  float *d_qkv = gm_scratch_f32(c, 3 * rows * C, "gradients of queries, keys, values");
  float *y = gm_scratch_f32(c, rows * C, "attention input");
  float *stats = gm_scratch_f32(c, 2 * rows, "norm");
  if (!dy || !d_mixed || !d_qkv || !y || !stats) return GM_ERR_MEMORY;
  gm_attention_shape shape;
  GM_TRY(attention_shape(t, s, batch, tokens, &shape));
  if (w->scale1) GM_TRY(gm_scale_back(t, dy, kept->attended, dy, rows, C, w->scale1));
  GM_TRY(gm_linear_back(t, &w->out, w->out_b, kept->mixed, C, dy, C, rows, d_mixed, C, false));
  GM_TRY(gm_attention_back(t, &shape, kept->qkv, kept->qkv + C, kept->qkv + 2 * C, kept->mixed,
                           kept->lse, d_mixed, d_qkv, d_qkv + C, d_qkv + 2 * C));
  gm_layer_norm_train(t, y, kept->x, stats, rows, C, w->norm1_w, w->norm1_b, s->eps);
  projection p[3];
  for (size_t i = 0, n = projections(p, w, C); i < n; i++)
    GM_TRY(
        gm_linear_back(t, p[i].w, p[i].bias, y, C, d_qkv + p[i].at, 3 * C, rows, dy, C, i > 0));
  return gm_layer_norm_back(t, d, true, kept->x, kept->stats1, dy, rows, C, w->norm1_w,
                            w->norm1_b);
}

static gm_status backward(const gm_training *t, const gm_vit_block *w, const gm_vit_shape *s,
                          float *d, size_t batch, size_t tokens, const gm_vit_kept *given) {
  gm_vit_kept kept = *given;
  if (t->recompute) {
    float *x = copy_of(t, kept.x, batch * tokens * s->dim);
    if (!x) return GM_ERR_MEMORY;
    GM_TRY(forward(t, w, s, x, batch, tokens, &kept));
  }
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  GM_TRY(mlp_back(t, w, s, d, batch * tokens, &kept));
  gm_arena_restore(&t->c->arena, mark);
  return attention_back(t, w, s, d, batch, tokens, &kept);
}

gm_status gm_vit_block_back(const gm_training *t, const gm_vit_block *w,
                            const gm_vit_shape *shape, float *d, size_t batch, size_t tokens,
                            const gm_vit_kept *kept) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = backward(t, w, shape, d, batch, tokens, kept);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
