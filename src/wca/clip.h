/* clip.h - a whole CLIP: both towers and the tokenizer of a model file.
 *
 *   texts   -> ids [n, context] -> text tower  -> unit features [n, D]
 *   picture -> crops -> pixels  -> image tower -> unit features [n, D]
 *
 * Progress is reported through the callbacks; cancellation is polled through gm_compute. */
#ifndef GM_CLIP_H
#define GM_CLIP_H

#include "clip_hparams.h"
#include "clip_text.h"
#include "clip_tokenizer.h"
#include "clip_vision.h"

typedef struct gm_clip_model {
  gm_clip_hparams hparams;
  gm_clip_vision vision;
  gm_clip_text text;
  gm_clip_tokenizer *tokenizer;
  size_t features; /* D */
} gm_clip_model;

/* The file must outlive the model. Errors: GM_ERR_MODEL, GM_ERR_MEMORY. */
gm_status gm_clip_model_load(gm_clip_model **out, const gm_model_file *file, gm_error *err);
void gm_clip_model_free(gm_clip_model *model);

/* out[n, D]. Texts longer than the context are cut. */
gm_status gm_clip_encode_strings(gm_compute *c, const gm_clip_model *model,
                                 const char *const *texts, size_t n, float *out,
                                 const gm_callbacks *callbacks);

/* out[n, D]: the features of parts of the picture. Each is resampled straight from the
 * picture's pixels, with the same result as cutting it out first. A part's features do not
 * depend on the others. */
gm_status gm_clip_encode_crops(gm_compute *c, const gm_clip_model *model, const gm_image *image,
                               const gm_crop *crops, size_t n, float *out,
                               const gm_callbacks *callbacks);

#endif
