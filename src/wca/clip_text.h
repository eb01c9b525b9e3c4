/* clip_text.h - CLIP's text tower: token ids -> features [n, D].
 *
 *   token embedding + learned positions, L causal blocks (src/vit), ln_final,
 *   the row of the first end-of-text id, projection, L2 norm 1 */
#ifndef GM_CLIP_TEXT_H
#define GM_CLIP_TEXT_H

#include "clip_tower.h"

/* Weights before and after the blocks, with their names in a family's table; sizes
 * C, D, vocabulary and context. */
#define GM_CLIP_TEXT_INPUT(VEC, MAT)                                                           \
  MAT(embedding, names->embedding, GM_VISION, vocabulary, C)                                   \
  MAT(positions, names->positions, GM_KEEP_F32, context, C)
#define GM_CLIP_TEXT_OUTPUT(VEC, MAT, TENSOR)                                                  \
  VEC(ln_final_w, names->ln_final_w, C)                                                        \
  VEC(ln_final_b, names->ln_final_b, C)                                                        \
  GM_CLIP_PROJECTION(TENSOR)

typedef struct gm_clip_text {
  gm_vit_shape shape;
  size_t context, vocabulary, layers, features;
  GM_CLIP_TEXT_INPUT(GM_VEC_MEMBER, GM_MAT_MEMBER)
  float *position; /* [context, C], owned */
  GM_CLIP_TEXT_OUTPUT(GM_VEC_MEMBER, GM_MAT_MEMBER, GM_TENSOR_MEMBER)
  gm_vit_block *blocks; /* [layers], owned */
} gm_clip_text;

/* Adds the tower's tensors with the names of a family; dims of clip_sizes.h. */
void gm_clip_text_rules(gm_tensor_rules *rules, const size_t *dims, bool fused);

/* Errors as gm_clip_vision_load. Free in any case. */
gm_status gm_clip_text_load(gm_clip_text *w, const gm_model_file *file,
                            const gm_clip_hparams *hparams, gm_error *err);
void gm_clip_text_free(gm_clip_text *w);
/* Makes w->position anew, after a step of training that changed positions. */
void gm_clip_text_refresh(gm_clip_text *w);

/* ids[n, context], each row start + ids + end and then padding; ends[i] is the position of row
 * i's first end-of-text id. Ids are within the vocabulary (asserted). Positions after the end
 * are not computed: attention is causal, so they have no effect. Rows of similar length are
 * computed together. */
gm_status gm_clip_text_forward(gm_compute *c, const gm_clip_text *w, const int32_t *ids,
                               const size_t *ends, size_t n, float *out);

#endif
