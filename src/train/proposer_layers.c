/* proposer_layers.c - see proposer_layers.h. */
#include "proposer_layers.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- the frame of a branch */

typedef struct branch_norm {
  const float *w, *b;
  size_t rows, dim;
  uint64_t place; /* of its dropout */
} branch_norm;

/* y = norm(x + dropout(branch)); branch becomes the norm's input. */
static gm_status close_branch(const gm_training *t, const branch_norm *norm, const float *x,
                              float *branch, float *y, gm_branch_kept *kept) {
  size_t n = norm->rows * norm->dim;
  *kept = (gm_branch_kept){x, branch, gm_scratch_f32(t->c, 2 * norm->rows, "norm statistics")};
  if (!kept->stats) return GM_ERR_MEMORY;
  gm_dropout(t, norm->place, branch, n);
  gm_add(t->c, branch, branch, x, n);
  gm_layer_norm_train(t, y, branch, kept->stats, norm->rows, norm->dim, norm->w, norm->b,
                      GM_PROPOSER_EPS);
  return GM_OK;
}

/* dx = the gradient by x past the branch, d_branch = that by the branch's output. */
static gm_status open_branch(const gm_training *t, const branch_norm *norm,
                             const gm_branch_kept *kept, const float *dy, float *dx,
                             float *d_branch) {
  size_t n = norm->rows * norm->dim;
  GM_TRY(gm_layer_norm_back(t, dx, false, kept->sum, kept->stats, dy, norm->rows, norm->dim,
                            norm->w, norm->b));
  memcpy(d_branch, dx, n * sizeof *dx);
  gm_dropout(t, norm->place, d_branch, n);
  return GM_OK;
}

/* ---- feed-forward */

static gm_status ffn_train(const gm_training *t, const gm_proposer_ffn *w, const float *x,
                           size_t rows, uint64_t place, float *y, gm_ffn_kept *kept) {
  size_t d = w->dim, F = w->hidden;
  float *out = gm_scratch_f32(t->c, rows * d, "feed-forward output");
  kept->hidden = gm_scratch_f32(t->c, rows * F, "feed-forward layer");
  if (!out || !kept->hidden) return GM_ERR_MEMORY;
  GM_TRY(gm_linear_train(t, &w->fc1, w->fc1_b, x, d, rows, kept->hidden, F));
  gm_act_train(t, GM_ACT_RELU, kept->hidden, kept->hidden, rows * F);
  GM_TRY(gm_linear_train(t, &w->fc2, w->fc2_b, kept->hidden, F, rows, out, d));
  branch_norm norm = {w->norm_w, w->norm_b, rows, d, place};
  return close_branch(t, &norm, x, out, y, &kept->branch);
}

static gm_status ffn_back(const gm_training *t, const gm_proposer_ffn *w, size_t rows,
                          const gm_ffn_kept *kept, uint64_t place, const float *dy, float *dx) {
  size_t d = w->dim, F = w->hidden;
  float *d_out = gm_scratch_f32(t->c, rows * d, "feed-forward gradient");
  float *d_hidden = gm_scratch_f32(t->c, rows * F, "feed-forward gradient");
  if (!d_out || !d_hidden) return GM_ERR_MEMORY;
  branch_norm norm = {w->norm_w, w->norm_b, rows, d, place};
  GM_TRY(open_branch(t, &norm, &kept->branch, dy, dx, d_out));
  GM_TRY(gm_linear_back(t, &w->fc2, w->fc2_b, kept->hidden, F, d_out, d, rows, d_hidden, F,
                        false));
  gm_act_back(t, GM_ACT_RELU, d_hidden, kept->hidden, d_hidden, rows * F);
  return gm_linear_back(t, &w->fc1, w->fc1_b, kept->branch.x, d, d_hidden, F, rows, dx, d,
                        true);
}

/* ---- deformable attention */

static gm_deform_map map_of(const gm_deform_attention *w, const gm_deform_view *view,
                            const float *value) {
  return (gm_deform_map){value,    w->dim, view->grid, view->grid, w->heads, w->dim / w->heads,
                         w->points};
}

static gm_status deform_train(const gm_training *t, const gm_deform_attention *w,
                              const gm_deform_view *view, const branch_norm *norm,
                              const float *x, float *y, gm_deform_kept *kept) {
  size_t d = w->dim, rows = view->rows, cells = view->grid * view->grid;
  size_t points = w->heads * w->points;
  float *out = gm_scratch_f32(t->c, rows * d, "attention output");
  kept->query = gm_scratch_f32(t->c, rows * d, "proposer queries");
  kept->value = gm_scratch_f32(t->c, cells * d, "deformable values");
  kept->offset = gm_scratch_f32(t->c, rows * points * 2, "sampling offsets");
  kept->score = gm_scratch_f32(t->c, rows * points, "sampling scores");
  kept->sampled = gm_scratch_f32(t->c, rows * d, "sampled values");
  if (!out || !kept->query || !kept->value || !kept->offset || !kept->score || !kept->sampled)
    return GM_ERR_MEMORY;
  gm_add(t->c, kept->query, x, view->position, rows * d);
  GM_TRY(gm_linear_train(t, &w->value, w->value_b, view->map, d, cells, kept->value, d));
  GM_TRY(gm_linear_train(t, &w->offsets, w->offsets_b, kept->query, d, rows, kept->offset,
                         2 * points));
  GM_TRY(
      gm_linear_train(t, &w->weights, w->weights_b, kept->query, d, rows, kept->score, points));
  gm_deform_map map = map_of(w, view, kept->value);
  gm_deform_sample(t->c, kept->sampled, &map, view->references, kept->offset, kept->score,
                   rows);
  GM_TRY(gm_linear_train(t, &w->out, w->out_b, kept->sampled, d, rows, out, d));
  return close_branch(t, norm, x, out, y, &kept->branch);
}

/* d_map may be dx: it is added to. */
static gm_status deform_back(const gm_training *t, const gm_deform_attention *w,
                             const gm_deform_view *view, const branch_norm *norm,
                             const gm_deform_kept *kept, const float *dy, float *dx,
                             float *d_position, float *d_map) {
  size_t d = w->dim, rows = view->rows, cells = view->grid * view->grid;
  size_t points = w->heads * w->points;
  float *d_out = gm_scratch_f32(t->c, rows * d, "attention gradient");
  float *d_sampled = gm_scratch_f32(t->c, rows * d, "attention gradient");
  float *d_value = gm_scratch_f32(t->c, cells * d, "gradient of values");
  float *d_offset = gm_scratch_f32(t->c, rows * points * 2, "gradient of offsets");
  float *d_score = gm_scratch_f32(t->c, rows * points, "gradient of scores");
  if (!d_out || !d_sampled || !d_value || !d_offset || !d_score) return GM_ERR_MEMORY;
  GM_TRY(open_branch(t, norm, &kept->branch, dy, dx, d_out));
  GM_TRY(gm_linear_back(t, &w->out, w->out_b, kept->sampled, d, d_out, d, rows, d_sampled, d,
                        false));
  gm_deform_map map = map_of(w, view, kept->value);
  GM_TRY(gm_deform_sample_back(t, &map, view->references, kept->offset, kept->score, rows,
                               d_sampled, d_value, false, d_offset, d_score));
  float *d_query = d_out; /* which is not needed any more */
  GM_TRY(gm_linear_back(t, &w->offsets, w->offsets_b, kept->query, d, d_offset, 2 * points,
                        rows, d_query, d, false));
  GM_TRY(gm_linear_back(t, &w->weights, w->weights_b, kept->query, d, d_score, points, rows,
                        d_query, d, true));
  gm_add(t->c, dx, dx, d_query, rows * d);
  gm_add(t->c, d_position, d_position, d_query, rows * d);
  return gm_linear_back(t, &w->value, w->value_b, view->map, d, d_value, d, cells, d_map, d,
                        true);
}

/* ---- self-attention of the decoder */

static gm_attention_shape self_shape(const size_t *rows, size_t heads, size_t d) {
  return (gm_attention_shape){.lengths = rows,
                              .n_sequences = 1,
                              .heads = heads,
                              .kv_heads = heads,
                              .head_dim = d / heads,
                              .scale = 1.0f / sqrtf((float)(d / heads)),
                              .q_row = 3 * d,
                              .kv_row = 3 * d,
                              .out_row = d};
}

static gm_status self_train(const gm_training *t, const gm_proposer_decoder_layer *w,
                            size_t heads, const gm_deform_view *view, const branch_norm *norm,
                            const float *x, float *y, gm_self_kept *kept) {
  size_t d = norm->dim, rows = norm->rows;
  float *out = gm_scratch_f32(t->c, rows * d, "attention output");
  kept->query = gm_scratch_f32(t->c, rows * d, "decoder queries");
  kept->qkv = gm_scratch_f32(t->c, rows * 3 * d, "queries, keys, values");
  kept->lse = gm_scratch_f32(t->c, rows * heads, "sums of attention");
  kept->mixed = gm_scratch_f32(t->c, rows * d, "mixed values");
  if (!out || !kept->query || !kept->qkv || !kept->lse || !kept->mixed) return GM_ERR_MEMORY;
  float *qkv = kept->qkv;
  gm_add(t->c, kept->query, x, view->position, rows * d);
  GM_TRY(gm_linear_train(t, &w->q, w->q_b, kept->query, d, rows, qkv, 3 * d));
  GM_TRY(gm_linear_train(t, &w->k, w->k_b, kept->query, d, rows, qkv + d, 3 * d));
  GM_TRY(gm_linear_train(t, &w->v, w->v_b, x, d, rows, qkv + 2 * d, 3 * d));
  gm_attention_shape shape = self_shape(&rows, heads, d);
  GM_TRY(gm_attention_train(t, &shape, qkv, qkv + d, qkv + 2 * d, kept->mixed, kept->lse));
  GM_TRY(gm_linear_train(t, &w->out, w->out_b, kept->mixed, d, rows, out, d));
  return close_branch(t, norm, x, out, y, &kept->branch);
}

static gm_status self_back(const gm_training *t, const gm_proposer_decoder_layer *w,
                           size_t heads, const branch_norm *norm, const gm_self_kept *kept,
                           const float *dy, float *dx, float *d_position) {
  size_t d = norm->dim, rows = norm->rows;
  float *d_out = gm_scratch_f32(t->c, rows * d, "attention gradient");
  float *d_mixed = gm_scratch_f32(t->c, rows * d, "attention gradient");
  float *d_qkv = gm_scratch_f32(t->c, rows * 3 * d, "attention gradient");
  if (!d_out || !d_mixed || !d_qkv) return GM_ERR_MEMORY;
  GM_TRY(open_branch(t, norm, &kept->branch, dy, dx, d_out));
  GM_TRY(
      gm_linear_back(t, &w->out, w->out_b, kept->mixed, d, d_out, d, rows, d_mixed, d, false));
  gm_attention_shape shape = self_shape(&rows, heads, d);
  GM_TRY(gm_attention_back(t, &shape, kept->qkv, kept->qkv + d, kept->qkv + 2 * d, kept->mixed,
                           kept->lse, d_mixed, d_qkv, d_qkv + d, d_qkv + 2 * d));
  float *d_query = d_out; /* which is not needed any more */
  GM_TRY(
      gm_linear_back(t, &w->q, w->q_b, kept->query, d, d_qkv, 3 * d, rows, d_query, d, false));
  GM_TRY(gm_linear_back(t, &w->k, w->k_b, kept->query, d, d_qkv + d, 3 * d, rows, d_query, d,
                        true));
  gm_add(t->c, dx, dx, d_query, rows * d);
  gm_add(t->c, d_position, d_position, d_query, rows * d);
  return gm_linear_back(t, &w->v, w->v_b, kept->branch.x, d, d_qkv + 2 * d, 3 * d, rows, dx, d,
                        true);
}

/* ---- layers */

gm_status gm_encoder_layer_train(const gm_training *t, const gm_proposer_encoder_layer *w,
                                 const gm_deform_view *view, const float *x, uint64_t place,
                                 float *y, gm_encoder_layer_kept *kept) {
  size_t d = w->ffn.dim, rows = view->rows;
  branch_norm norm = {w->norm_w, w->norm_b, rows, d, place};
  float *attended = gm_scratch_f32(t->c, rows * d, "encoder states");
  if (!attended) return GM_ERR_MEMORY;
  GM_TRY(deform_train(t, &w->attention, view, &norm, x, attended, &kept->attention));
  return ffn_train(t, &w->ffn, attended, rows, place + 1, y, &kept->ffn);
}

gm_status gm_encoder_layer_back(const gm_training *t, const gm_proposer_encoder_layer *w,
                                const gm_deform_view *view, const gm_encoder_layer_kept *kept,
                                uint64_t place, const float *dy, float *dx, float *d_position) {
  size_t d = w->ffn.dim, rows = view->rows;
  branch_norm norm = {w->norm_w, w->norm_b, rows, d, place};
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  float *d_attended = gm_scratch_f32(t->c, rows * d, "encoder gradient");
  if (!d_attended) return GM_ERR_MEMORY;
  gm_status status = ffn_back(t, &w->ffn, rows, &kept->ffn, place + 1, dy, d_attended);
  if (status == GM_OK)
    status = deform_back(t, &w->attention, view, &norm, &kept->attention, d_attended, dx,
                         d_position, dx);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

gm_status gm_decoder_layer_train(const gm_training *t, const gm_proposer_decoder_layer *w,
                                 size_t heads, const gm_deform_view *view, const float *x,
                                 uint64_t place, float *y, gm_decoder_layer_kept *kept) {
  size_t d = w->ffn.dim, rows = view->rows;
  branch_norm self = {w->self_norm_w, w->self_norm_b, rows, d, place};
  branch_norm cross = {w->cross_norm_w, w->cross_norm_b, rows, d, place + 1};
  float *mixed = gm_scratch_f32(t->c, rows * d, "decoder states");
  float *looked = gm_scratch_f32(t->c, rows * d, "decoder states");
  if (!mixed || !looked) return GM_ERR_MEMORY;
  GM_TRY(self_train(t, w, heads, view, &self, x, mixed, &kept->self));
  GM_TRY(deform_train(t, &w->cross, view, &cross, mixed, looked, &kept->cross));
  return ffn_train(t, &w->ffn, looked, rows, place + 2, y, &kept->ffn);
}

static gm_status decoder_back(const gm_training *t, const gm_proposer_decoder_layer *w,
                              size_t heads, const gm_deform_view *view,
                              const gm_decoder_layer_kept *kept, uint64_t place,
                              const float *dy, float *dx, float *d_position, float *d_map) {
  size_t d = w->ffn.dim, rows = view->rows;
  branch_norm self = {w->self_norm_w, w->self_norm_b, rows, d, place};
  branch_norm cross = {w->cross_norm_w, w->cross_norm_b, rows, d, place + 1};
  float *d_looked = gm_scratch_f32(t->c, rows * d, "decoder gradient");
  float *d_mixed = gm_scratch_f32(t->c, rows * d, "decoder gradient");
  if (!d_looked || !d_mixed) return GM_ERR_MEMORY;
  GM_TRY(ffn_back(t, &w->ffn, rows, &kept->ffn, place + 2, dy, d_looked));
  GM_TRY(deform_back(t, &w->cross, view, &cross, &kept->cross, d_looked, d_mixed, d_position,
                     d_map));
  return self_back(t, w, heads, &self, &kept->self, d_mixed, dx, d_position);
}

gm_status gm_decoder_layer_back(const gm_training *t, const gm_proposer_decoder_layer *w,
                                size_t heads, const gm_deform_view *view,
                                const gm_decoder_layer_kept *kept, uint64_t place,
                                const float *dy, float *dx, float *d_position, float *d_map) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = decoder_back(t, w, heads, view, kept, place, dy, dx, d_position, d_map);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
