/* vit_train.h - one block of a vision (or CLIP text) transformer that learns: vit_block.h's
 * forward, which keeps what its backward needs. */
#ifndef GM_VIT_TRAIN_H
#define GM_VIT_TRAIN_H

#include "ops_bwd.h"
#include "vit_block.h"

/* Kept from forward to backward, in t->c->arena; rows = batch * tokens. With t->recompute only
 * the input is kept. */
typedef struct gm_vit_kept {
  float *x;               /* [rows, C] the block's input */
  float *stats1, *stats2; /* [rows, 2] of the norms */
  float *qkv, *mixed;     /* [rows, 3C], [rows, C]: the attention's input and output */
  float *lse;             /* [rows, heads] */
  float *attended, *fed;  /* [rows, C]: the branches before LayerScale; NULL without it */
  float *middle;          /* [rows, C]: the state between the branches */
  float *hidden;          /* [rows, F]: fc1's output, before the activation */
} gm_vit_kept;

/* x[batch * tokens, C] in place. On failure what was kept is not to be used. */
gm_status gm_vit_block_train(const gm_training *t, const gm_vit_block *w,
                             const gm_vit_shape *shape, float *x, size_t batch, size_t tokens,
                             gm_vit_kept *kept);
/* d[batch * tokens, C]: the gradient by the output becomes that by the input. Adds to the
 * gradients of the block's weights that learn. */
gm_status gm_vit_block_back(const gm_training *t, const gm_vit_block *w,
                            const gm_vit_shape *shape, float *d, size_t batch, size_t tokens,
                            const gm_vit_kept *kept);
/* Whether a weight of the block learns. */
bool gm_vit_block_learns(const gm_training *t, const gm_vit_block *w);

#endif
