/* visual_tokens.c - see visual_tokens.h. */
#include "visual_tokens.h"

#include "groma_sizes.h"

#include <assert.h>
#include <string.h>

#define BRIDGE "img_txt_bridge."

void gm_visual_tokens_rules(gm_tensor_rules *rules, const size_t *dims) {
  size_t C = dims[VIT_DIM], D = dims[LLM_DIM];
  gm_rules_group(rules, "bridge", BRIDGE, NULL, 1);
  GM_VISUAL_TOKENS_WEIGHTS(GM_VEC_RULE, GM_MAT_RULE)
}

gm_status gm_visual_tokens_load(gm_visual_tokens *w, const gm_model_file *file, size_t grid,
                                size_t C, gm_error *err) {
  gm_weight_loader at = gm_weight_loader_at(file, err, BRIDGE, 0), *l = &at;
  *w = (gm_visual_tokens){.grid = grid, .width = C};
  GM_TRY(gm_load_matrix(l, "2.weight", 0, 0, &w->fc2));
  size_t D = w->dim = w->fc2.shape[0];
  GM_VISUAL_TOKENS_WEIGHTS(GM_VEC_LOAD, GM_MAT_LOAD)
  return GM_OK;
}

void gm_visual_tokens_join(const gm_visual_tokens *w, const float *hidden, float *joined) {
  size_t n = w->grid, C = w->width;
  assert(n % 2 == 0); /* neighbours are joined by 2 x 2 */
  for (size_t i = 0; i < n * n; i++)
    memcpy(joined + i * C, hidden + gm_visual_tokens_row(n, i / 4, i % 4) * C,
           C * sizeof *joined);
}

static gm_status forward(gm_compute *c, const gm_visual_tokens *w, const float *hidden,
                         float *out) {
  size_t n = w->grid, C = w->width, D = w->dim, T = n * n / 4;
  float *joined = gm_scratch_f32(c, T * 4 * C, "joined patches");
  float *h = gm_scratch_f32(c, T * D, "image token layer");
  if (!joined || !h) return GM_ERR_MEMORY;
  gm_visual_tokens_join(w, hidden, joined);
  gm_linear_out up = {.w = &w->fc1, .bias = w->fc1_b, .act = GM_ACT_GELU, .y = h, .ldy = D};
  GM_TRY(gm_linear(c, joined, 4 * C, T, &up, 1));
  gm_linear_out down = {.w = &w->fc2, .bias = w->fc2_b, .y = out, .ldy = D};
  return gm_linear(c, h, D, T, &down, 1);
}

gm_status gm_visual_tokens_forward(gm_compute *c, const gm_visual_tokens *w,
                                   const float *hidden, float *out) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = forward(c, w, hidden, out);
  gm_arena_restore(&c->arena, mark);
  return status;
}
