/* visual_tokens.h - hidden state [1+n*n, C] -> image tokens [(n/2)^2, D]: 2 x 2 neighbours side
 * by side (4C), Linear, exact GELU, Linear ("img_txt_bridge"). */
#ifndef GM_VISUAL_TOKENS_H
#define GM_VISUAL_TOKENS_H

#include "ops.h"
#include "weight_loader.h"

/* Below "img_txt_bridge."; sizes C and D. */
#define GM_VISUAL_TOKENS_WEIGHTS(VEC, MAT)                                                     \
  MAT(fc1, "0.weight", GM_VISION, D, 4 * C)                                                    \
  VEC(fc1_b, "0.bias", D)                                                                      \
  MAT(fc2, "2.weight", GM_VISION, D, D)                                                        \
  VEC(fc2_b, "2.bias", D)

typedef struct gm_visual_tokens {
  size_t grid, width, dim; /* n, C, D */
  GM_VISUAL_TOKENS_WEIGHTS(GM_VEC_MEMBER, GM_MAT_MEMBER)
} gm_visual_tokens;

/* Adds the stage's tensors; dims of groma_sizes.h. */
void gm_visual_tokens_rules(gm_tensor_rules *rules, const size_t *dims);

gm_status gm_visual_tokens_load(gm_visual_tokens *w, const gm_model_file *file, size_t grid,
                                size_t C, gm_error *err);

/* Row of hidden (the class token is row 0) of the k-th of the four patches that token t of a
 * grid of n x n patches is made of: of each 2 x 2 (row, column) in the order (0, 0), (1, 0),
 * (0, 1), (1, 1). */
static inline size_t gm_visual_tokens_row(size_t n, size_t t, size_t k) {
  return 1 + (t / (n / 2) * 2 + k % 2) * n + t % (n / 2) * 2 + k / 2;
}

/* joined[(n/2)^2, 4C]: the four patches of each token side by side. */
void gm_visual_tokens_join(const gm_visual_tokens *w, const float *hidden, float *joined);

/* hidden has the class token in row 0, which is not used; out[(n/2)^2, D], row-major. */
gm_status gm_visual_tokens_forward(gm_compute *c, const gm_visual_tokens *w,
                                   const float *hidden, float *out);

#endif
