/* clip_vision.h - CLIP's image tower: pixels [n, 3, S, S] -> features [n, D].
 *
 *   patch convolution without bias, class token in front, learned positions
 *   ln_pre, L blocks (src/vit), ln_post of the class token, projection, L2 norm 1 */
#ifndef GM_CLIP_VISION_H
#define GM_CLIP_VISION_H

#include "clip_tower.h"

/* Weights before and after the blocks, with their names in a family's table;
 * sizes C, D, P and rows (of positions). The class token is added to the positions' first row.
 */
#define GM_CLIP_VISION_INPUT(VEC, MAT, TENSOR)                                                 \
  TENSOR(patch, names->patch, names->patch, GM_VISION, GM_LAYOUT_MATRIX, C, 3, P, P)           \
  TENSOR(class_token, names->class_token, names->class_token, GM_KEEP_F32, GM_LAYOUT_SAME, C)  \
  MAT(positions, names->positions, GM_KEEP_F32, rows, C)                                       \
  VEC(ln_pre_w, names->ln_pre_w, C)                                                            \
  VEC(ln_pre_b, names->ln_pre_b, C)
#define GM_CLIP_VISION_OUTPUT(VEC, MAT, TENSOR)                                                \
  VEC(ln_post_w, names->ln_post_w, C)                                                          \
  VEC(ln_post_b, names->ln_post_b, C)                                                          \
  GM_CLIP_PROJECTION(TENSOR)

typedef struct gm_clip_vision {
  gm_vit_shape shape;
  size_t image_size, patch_size, tokens; /* tokens: 1 + (S/P)^2 */
  size_t layers, features;               /* D */
  GM_CLIP_VISION_INPUT(GM_VEC_MEMBER, GM_MAT_MEMBER, GM_TENSOR_MEMBER)
  float *position; /* [tokens, C], owned; row 0 has the class token added */
  GM_CLIP_VISION_OUTPUT(GM_VEC_MEMBER, GM_MAT_MEMBER, GM_TENSOR_MEMBER)
  gm_vit_block *blocks; /* [layers], owned */
} gm_clip_vision;

/* Adds the tower's tensors with the names of a family; dims of clip_sizes.h. */
void gm_clip_vision_rules(gm_tensor_rules *rules, const size_t *dims, bool fused);

/* Errors: GM_ERR_MODEL (a tensor is missing or of another shape), GM_ERR_MEMORY. Free in any
 * case. */
gm_status gm_clip_vision_load(gm_clip_vision *w, const gm_model_file *file,
                              const gm_clip_hparams *hparams, gm_error *err);
void gm_clip_vision_free(gm_clip_vision *w);
/* Makes w->position anew, after a step of training that changed positions or the class token.
 */
gm_status gm_clip_vision_refresh(gm_clip_vision *w, gm_error *err);

/* out[n, D], unit vectors. Computed in groups of pictures, so that scratch stays small for any
 * n. A picture's features do not depend on the others. Polls for cancellation between layers.
 */
gm_status gm_clip_vision_forward(gm_compute *c, const gm_clip_vision *w, const float *pixels,
                                 size_t n, float *out);

#endif
