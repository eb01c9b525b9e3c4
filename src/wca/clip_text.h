/* clip_text.h - CLIP's text tower: token ids -> features [n, D].
 *
 *   token embedding + learned positions, L causal blocks (src/vit), ln_final,
 *   the row of the first end-of-text id, projection, L2 norm 1 */
#ifndef GM_CLIP_TEXT_H
#define GM_CLIP_TEXT_H

#include "clip_hparams.h"
#include "vit_block.h"

typedef struct gm_clip_text {
  gm_vit_shape shape;
  size_t context, vocabulary, layers, features;
  gm_tensor embedding; /* [vocabulary, C] */
  float *position;     /* [context, C], owned */
  const float *ln_final_w, *ln_final_b;
  gm_tensor projection; /* [D, C] */
  gm_vit_block *blocks; /* [layers], owned */
} gm_clip_text;

/* Errors as gm_clip_vision_load. Free in any case. */
gm_status gm_clip_text_load(gm_clip_text *w, const gm_model_file *file,
                            const gm_clip_hparams *hparams, gm_error *err);
void gm_clip_text_free(gm_clip_text *w);

/* ids[n, context], each row start + ids + end and then padding; ends[i] is the position of row
 * i's first end-of-text id. Ids are within the vocabulary (asserted). What stands behind the
 * end is not computed: attention is causal, so it cannot show. Rows of similar length are
 * computed together. */
gm_status gm_clip_text_forward(gm_compute *c, const gm_clip_text *w, const int32_t *ids,
                               const size_t *ends, size_t n, float *out);

#endif
