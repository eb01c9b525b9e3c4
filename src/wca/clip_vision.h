/* clip_vision.h - CLIP's image tower: pixels [n, 3, S, S] -> features [n, D].
 *
 *   patch convolution without bias, class token in front, learned positions
 *   ln_pre, L blocks (src/vit), ln_post of the class token, projection, L2 norm 1 */
#ifndef GM_CLIP_VISION_H
#define GM_CLIP_VISION_H

#include "clip_hparams.h"
#include "vit_block.h"

typedef struct gm_clip_vision {
  gm_vit_shape shape;
  size_t image_size, patch_size, tokens; /* tokens: 1 + (S/P)^2 */
  size_t layers, features;               /* D */
  gm_tensor patch;                       /* [C, 3*P*P] */
  float *position; /* [tokens, C], owned; row 0 has the class token added */
  const float *ln_pre_w, *ln_pre_b, *ln_post_w, *ln_post_b;
  gm_tensor projection; /* [D, C] */
  gm_vit_block *blocks; /* [layers], owned */
} gm_clip_vision;

/* Errors: GM_ERR_MODEL (a tensor is missing or of another shape), GM_ERR_MEMORY. Free in any
 * case. */
gm_status gm_clip_vision_load(gm_clip_vision *w, const gm_model_file *file,
                              const gm_clip_hparams *hparams, gm_error *err);
void gm_clip_vision_free(gm_clip_vision *w);

/* out[n, D], unit vectors. Computed in groups of pictures, so that scratch stays small whatever
 * n is; a picture's features do not depend on its neighbours. Polls for cancellation between
 * layers. */
gm_status gm_clip_vision_forward(gm_compute *c, const gm_clip_vision *w, const float *pixels,
                                 size_t n, float *out);

#endif
