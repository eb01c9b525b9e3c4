/* dinov2_train.h - the vision encoder (dinov2.h) that learns, over a batch of pictures. */
#ifndef GM_DINOV2_TRAIN_H
#define GM_DINOV2_TRAIN_H

#include "dinov2.h"
#include "vit_train.h"

/* Kept from forward to backward, in t->c->arena. */
typedef struct gm_dinov2_kept {
  float *patches;      /* [b * n*n, 3*P*P]; NULL where the embedding does not learn */
  gm_vit_kept *blocks; /* [L]; those below `first` are not filled in */
  size_t first;        /* the lowest block with a weight that learns; L: none */
} gm_dinov2_kept;

/* pixels[b, 3, S, S] -> hidden states, as gm_dinov2_forward: keep[i] [b, 1+n*n, C] where it is
 * not NULL, i = 0..L. Blocks below the lowest that learns keep nothing. Polls between blocks.
 */
gm_status gm_dinov2_train(const gm_training *t, const gm_dinov2 *w, const float *pixels,
                          size_t b, float *const *keep, gm_dinov2_kept *kept);
/* d_states[i] [b, 1+n*n, C]: the gradient by hidden state i, or NULL. Adds to the gradients of
 * what learns. The class token and the positions learn only if the file's grid is n x n: a grid
 * that was resampled has no gradient here. */
gm_status gm_dinov2_back(const gm_training *t, const gm_dinov2 *w, size_t b,
                         const float *const *d_states, const gm_dinov2_kept *kept);

#endif
