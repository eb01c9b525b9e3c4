/* proposer_ffn.c - see proposer_ffn.h. */
#include "proposer_ffn.h"

void gm_proposer_ffn_rules(gm_tensor_rules *rules, size_t d,
                           size_t F){GM_PROPOSER_FFN_WEIGHTS(GM_VEC_RULE, GM_MAT_RULE)}

gm_status gm_proposer_ffn_load(gm_proposer_ffn *w, const gm_weight_loader *l, size_t d) {
  GM_TRY(gm_load_matrix(l, "fc1.weight", 0, d, &w->fc1));
  size_t F = w->fc1.shape[0];
  w->dim = d;
  w->hidden = F;
  GM_PROPOSER_FFN_WEIGHTS(GM_VEC_LOAD, GM_MAT_LOAD)
  return GM_OK;
}

gm_status gm_proposer_ffn_forward(gm_compute *c, const gm_proposer_ffn *w, float *x,
                                  size_t rows) {
  size_t d = w->dim, F = w->hidden;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *h = gm_scratch_f32(c, rows * F, "feed-forward layer");
  if (!h) return GM_ERR_MEMORY;
  gm_linear_out up = {.w = &w->fc1, .bias = w->fc1_b, .act = GM_ACT_RELU, .y = h, .ldy = F};
  gm_linear_out down = {.w = &w->fc2, .bias = w->fc2_b, .accumulate = true, .y = x, .ldy = d};
  gm_status status = gm_linear(c, x, d, rows, &up, 1);
  if (status == GM_OK) status = gm_linear(c, h, F, rows, &down, 1);
  if (status == GM_OK) gm_layer_norm(c, x, x, rows, d, w->norm_w, w->norm_b, GM_PROPOSER_EPS);
  gm_arena_restore(&c->arena, mark);
  return status;
}
