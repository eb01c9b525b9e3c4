/* deform_attention.c - see deform_attention.h. */
#include "deform_attention.h"

#include <assert.h>

void gm_deform_attention_rules(gm_tensor_rules *rules, size_t d, size_t n_offsets,
                               size_t n_weights){
    GM_DEFORM_ATTENTION_WEIGHTS(GM_VEC_RULE, GM_MAT_RULE)}

gm_status gm_deform_attention_load(gm_deform_attention *w, const gm_weight_loader *l, size_t d,
                                   size_t heads) {
  GM_TRY(gm_load_matrix(l, "sampling_offsets.weight", 0, d, &w->offsets));
  size_t H = heads, rows = w->offsets.shape[0], P = rows / (2 * H);
  if (rows % (2 * H) || P > GM_MAX_POINTS)
    return gm_fail(l->err, GM_ERR_MODEL,
                   "%s: %ssampling_offsets.weight has %zu rows, wanted two for each of "
                   "the %zu heads and at most %d points",
                   gm_model_file_name(l->file), l->prefix, rows, H, (int)GM_MAX_POINTS);
  w->dim = d;
  w->heads = H;
  w->points = P;
  size_t n_offsets = rows, n_weights = H * P;
  GM_DEFORM_ATTENTION_WEIGHTS(GM_VEC_LOAD, GM_MAT_LOAD)
  return GM_OK;
}

gm_linear_out gm_deform_attention_value(const gm_deform_attention *w, float *value) {
  return (gm_linear_out){.w = &w->value, .bias = w->value_b, .y = value, .ldy = w->dim};
}

static gm_status forward(gm_compute *c, const gm_deform_attention *w, float *y,
                         const float *query, const gm_reference *references, size_t n_queries,
                         const float *value, size_t n) {
  size_t d = w->dim, per_query = w->heads * w->points;
  assert(w->points > 0 && w->points <= GM_MAX_POINTS && d % w->heads == 0);
  float *offset = gm_scratch_f32(c, n_queries * per_query * 2, "sampling offsets");
  float *score = gm_scratch_f32(c, n_queries * per_query, "sampling scores");
  float *sampled = gm_scratch_f32(c, n_queries * d, "sampled values");
  if (!offset || !score || !sampled) return GM_ERR_MEMORY;

  gm_linear_out where[2] = {
      {.w = &w->offsets, .bias = w->offsets_b, .y = offset, .ldy = per_query * 2},
      {.w = &w->weights, .bias = w->weights_b, .y = score, .ldy = per_query},
  };
  GM_TRY(gm_linear(c, query, d, n_queries, where, 2));
  gm_deform_map map = {value, d, n, n, w->heads, d / w->heads, w->points};
  gm_deform_sample(c, sampled, &map, references, offset, score, n_queries);
  gm_linear_out out = {.w = &w->out, .bias = w->out_b, .accumulate = true, .y = y, .ldy = d};
  return gm_linear(c, sampled, d, n_queries, &out, 1);
}

gm_status gm_deform_attention_forward(gm_compute *c, const gm_deform_attention *w, float *y,
                                      const float *query, const gm_reference *references,
                                      size_t n_queries, const float *value, size_t n) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = forward(c, w, y, query, references, n_queries, value, n);
  gm_arena_restore(&c->arena, mark);
  return status;
}
