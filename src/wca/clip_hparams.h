/* clip_hparams.h - CLIP's hyperparameters, read from the keys clip.* of a model file
 * (docs/FORMAT.md) and checked against what the towers can compute. */
#ifndef GM_CLIP_HPARAMS_H
#define GM_CLIP_HPARAMS_H

#include "model_file.h"
#include "ops.h"
#include "pixels.h"

/* Keys that a file has only if its model differs from the usual. */
#define GM_CLIP_TEXT_ACTIVATION "clip.text.activation"
#define GM_CLIP_TEXT_EPS "clip.text.layer_norm_epsilon"
#define GM_CLIP_RESIZE "clip.image_resize"
#define GM_CLIP_RESIZE_SIZE "clip.image_resize_size"

typedef struct gm_clip_hparams {
  bool fused; /* OpenAI's and open_clip's tensor names (in_proj), else Hugging Face's */
  gm_act act, text_act; /* of the image and of the text tower */
  float eps, text_eps;  /* of their LayerNorms */
  float logit_scale;    /* exp(logit_scale) of the checkpoint: multiplies cosines */
  uint32_t image_size, patch_size;
  uint32_t vision_layers, vision_heads;
  uint32_t text_layers, text_heads;
  gm_pixel_norm norm;
  gm_pixel_resize resize;
} gm_clip_hparams;

/* GM_ERR_MODEL if a key is missing or out of range. */
gm_status gm_clip_hparams_read(gm_clip_hparams *out, const gm_model_file *file, gm_error *err);

#endif
