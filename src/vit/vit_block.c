/* vit_block.c - see vit_block.h. */
#include "vit_block.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void gm_vit_block_rules(gm_tensor_rules *rules, const gm_vit_names *names, size_t dim,
                        size_t hidden) {
  size_t C = dim, F = hidden;
  GM_VIT_BLOCK_WEIGHTS(GM_VEC_RULE, GM_MAT_RULE)
}

static void split_fused(gm_vit_block *w, size_t C) {
  w->q = gm_tensor_slice(&w->qkv, 0, C);
  w->k = gm_tensor_slice(&w->qkv, C, C);
  w->v = gm_tensor_slice(&w->qkv, 2 * C, C);
  w->q_b = w->qkv_b;
  w->k_b = w->qkv_b + C;
  w->v_b = w->qkv_b + 2 * C;
}

gm_status gm_vit_block_load(gm_vit_block *w, const gm_weight_loader *l,
                            const gm_vit_names *names, const gm_vit_shape *shape) {
  size_t C = shape->dim, F = shape->hidden;
  assert(!names->qkv || (!names->q && !names->k && !names->v));
  *w = (gm_vit_block){0};
  GM_VIT_BLOCK_WEIGHTS(GM_VEC_LOAD, GM_MAT_LOAD)
  if (names->qkv) split_fused(w, C);
  return GM_OK;
}

/* Attention over one span with what all of a block's calls have in common; exact in a file of
 * f32 weights. */
static gm_status self_attention(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *s,
                                gm_attention_args *a) {
  assert(s->dim % s->heads == 0 && s->dim / s->heads <= GM_MAX_HEAD_DIM);
  size_t head_dim = s->dim / s->heads;
  assert(head_dim * s->heads == s->dim && head_dim <= GM_MAX_HEAD_DIM);
  a->n_spans = 1;
  a->k_type = a->v_type = GM_TYPE_F32;
  a->heads = a->kv_heads = s->heads;
  a->head_dim = head_dim;
  a->scale = 1.0f / sqrtf((float)head_dim);
  a->out_row = s->dim;
  return c->kernels->rounds[w->k.type] ? gm_attention_rounded(c, a) : gm_attention(c, a);
}

/* x = x + scale1 * out(attention(norm1(x))) */
static gm_status attention_branch(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *s,
                                  float *x, size_t batch, size_t tokens) {
  size_t C = s->dim, rows = batch * tokens;
  float *y = gm_scratch_f32(c, rows * C, "attention input");
  float *qkv = gm_scratch_f32(c, rows * 3 * C, "queries, keys, values");
  float *mixed = gm_scratch_f32(c, rows * C, "attention output");
  if (!y || !qkv || !mixed) return GM_ERR_MEMORY;

  gm_layer_norm(c, y, x, rows, C, w->norm1_w, w->norm1_b, s->eps);
  gm_linear_out project[3] = {
      {.w = &w->q, .bias = w->q_b, .y = qkv, .ldy = 3 * C},
      {.w = &w->k, .bias = w->k_b, .y = qkv + C, .ldy = 3 * C},
      {.w = &w->v, .bias = w->v_b, .y = qkv + 2 * C, .ldy = 3 * C},
  };
  GM_TRY(gm_linear(c, y, C, rows, project, 3));
  gm_kv_span span = {qkv + C, qkv + 2 * C, tokens, 3 * C, C / s->heads};
  gm_attention_args attend = {.q = qkv,
                              .q_row = 3 * C,
                              .spans = &span,
                              .batch = batch,
                              .tq = tokens,
                              .causal = s->causal,
                              .out = mixed};
  GM_TRY(self_attention(c, w, s, &attend));
  gm_linear_out out = {
      .w = &w->out, .bias = w->out_b, .scale = w->scale1, .accumulate = true, .y = x, .ldy = C};
  return gm_linear(c, mixed, C, rows, &out, 1);
}

/* x = x + scale2 * fc2(act(fc1(norm2(x)))) */
static gm_status mlp_branch(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *s,
                            float *x, size_t rows) {
  size_t C = s->dim, F = s->hidden;
  float *y = gm_scratch_f32(c, rows * C, "feed-forward input");
  float *h = gm_scratch_f32(c, rows * F, "feed-forward layer");
  if (!y || !h) return GM_ERR_MEMORY;

  gm_layer_norm(c, y, x, rows, C, w->norm2_w, w->norm2_b, s->eps);
  gm_linear_out up = {.w = &w->fc1, .bias = w->fc1_b, .act = s->act, .y = h, .ldy = F};
  GM_TRY(gm_linear(c, y, C, rows, &up, 1));
  gm_linear_out down = {
      .w = &w->fc2, .bias = w->fc2_b, .scale = w->scale2, .accumulate = true, .y = x, .ldy = C};
  return gm_linear(c, h, F, rows, &down, 1);
}

gm_status gm_vit_block_forward(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *shape,
                               float *x, size_t batch, size_t tokens) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = attention_branch(c, w, shape, x, batch, tokens);
  gm_arena_restore(&c->arena, mark);
  if (status == GM_OK) status = mlp_branch(c, w, shape, x, batch * tokens);
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* The same for row at[i] of each entry, rows [batch, C]; x is every row, which keys and values
 * need. */
static gm_status attention_of_rows(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *s,
                                   const float *x, size_t batch, size_t tokens,
                                   const size_t *at, float *rows) {
  size_t C = s->dim;
  float *y = gm_scratch_f32(c, batch * tokens * C, "attention input");
  float *kv = gm_scratch_f32(c, batch * tokens * 2 * C, "keys, values");
  float *wanted = gm_scratch_f32(c, batch * C, "attention input");
  float *q = gm_scratch_f32(c, batch * C, "queries");
  float *mixed = gm_scratch_f32(c, batch * C, "attention output");
  if (!y || !kv || !wanted || !q || !mixed) return GM_ERR_MEMORY;

  gm_layer_norm(c, y, x, batch * tokens, C, w->norm1_w, w->norm1_b, s->eps);
  for (size_t i = 0; i < batch; i++) {
    assert(at[i] < tokens);
    memcpy(rows + i * C, x + (i * tokens + at[i]) * C, C * sizeof *rows);
    memcpy(wanted + i * C, y + (i * tokens + at[i]) * C, C * sizeof *y);
  }
  gm_linear_out project[3] = {{.w = &w->k, .bias = w->k_b, .y = kv, .ldy = 2 * C},
                              {.w = &w->v, .bias = w->v_b, .y = kv + C, .ldy = 2 * C},
                              {.w = &w->q, .bias = w->q_b, .y = q, .ldy = C}};
  GM_TRY(gm_linear(c, y, C, batch * tokens, project, 2));
  GM_TRY(gm_linear(c, wanted, C, batch, project + 2, 1));
  /* A causal row sees a number of keys of its own, so it is a call of its own. */
  for (size_t i = 0, n = s->causal ? 1 : batch; i < batch; i += n) {
    const float *k = kv + i * tokens * 2 * C;
    gm_kv_span span = {k, k + C, s->causal ? at[i] + 1 : tokens, 2 * C, C / s->heads};
    gm_attention_args attend = {
        .q = q + i * C, .q_row = C, .spans = &span, .batch = n, .tq = 1, .out = mixed + i * C};
    GM_TRY(self_attention(c, w, s, &attend));
  }
  gm_linear_out out = {.w = &w->out,
                       .bias = w->out_b,
                       .scale = w->scale1,
                       .accumulate = true,
                       .y = rows,
                       .ldy = C};
  return gm_linear(c, mixed, C, batch, &out, 1);
}

gm_status gm_vit_block_rows(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *shape,
                            const float *x, size_t batch, size_t tokens, const size_t *at,
                            float *rows) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = attention_of_rows(c, w, shape, x, batch, tokens, at, rows);
  gm_arena_restore(&c->arena, mark);
  if (status == GM_OK) status = mlp_branch(c, w, shape, rows, batch);
  gm_arena_restore(&c->arena, mark);
  return status;
}
