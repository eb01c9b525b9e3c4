/* clip_train.h - CLIP's two towers that learn, and the loss that teaches them: symmetric
 * cross-entropy over a batch of pictures and their texts (Radford et al. 2021, arXiv
 * 2103.00020). */
#ifndef GM_CLIP_TRAIN_H
#define GM_CLIP_TRAIN_H

#include "clip.h"
#include "clip_text.h"
#include "clip_vision.h"
#include "vit_train.h"

/* Of one tower, from its states after the last block to unit features. */
typedef struct gm_clip_head_kept {
  float *rows, *stats, *normed; /* [n, C], [n, 2], [n, C] */
  float *projected, *length;    /* [n, D] before it is made unit; [n] */
} gm_clip_head_kept;

typedef struct gm_clip_vision_kept {
  float *patches, *embedded, *stats; /* [n * cells, 3*P*P], [n * tokens, C], [n * tokens, 2] */
  gm_vit_kept *blocks;               /* [layers] */
  gm_clip_head_kept head;
} gm_clip_vision_kept;

typedef struct gm_clip_text_kept {
  gm_vit_kept *blocks; /* [layers] */
  size_t tokens;       /* that were computed: up to the longest text's end */
  gm_clip_head_kept head;
} gm_clip_text_kept;

/* pixels[n, 3, S, S] -> features[n, D], unit; kept in t->c->arena. */
gm_status gm_clip_vision_train(const gm_training *t, const gm_clip_vision *w,
                               const float *pixels, size_t n, float *features,
                               gm_clip_vision_kept *kept);
/* d[n, D]: the gradient by the unit features; overwritten. */
gm_status gm_clip_vision_back(const gm_training *t, const gm_clip_vision *w, size_t n,
                              const float *features, float *d, const gm_clip_vision_kept *kept);
/* ids[n, context] and ends[n] as in gm_clip_text_forward. */
gm_status gm_clip_text_train(const gm_training *t, const gm_clip_text *w, const int32_t *ids,
                             const size_t *ends, size_t n, float *features,
                             gm_clip_text_kept *kept);
gm_status gm_clip_text_back(const gm_training *t, const gm_clip_text *w, const int32_t *ids,
                            const size_t *ends, size_t n, const float *features, float *d,
                            const gm_clip_text_kept *kept);

/* logits[i, j] = scale * images[i] . texts[j]; the loss is the mean of the cross-entropies of
 * rows and of columns, the right text of picture i being those j with label[j] == label[i] (in
 * equal shares: a batch may hold a sentence twice). Gives the gradients by both, and by scale
 * (*d_scale; NULL: not wanted). */
gm_status gm_contrastive_loss(const gm_training *t, const float *images, const float *texts,
                              const int32_t *labels, size_t n, size_t d, float scale,
                              double *loss, float *d_images, float *d_texts, float *d_scale);

#endif
