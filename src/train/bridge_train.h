/* bridge_train.h - img_txt_bridge in training: hidden states -> image tokens, and back
 * (visual_tokens.h has the forward pass of inference). */
#ifndef GM_BRIDGE_TRAIN_H
#define GM_BRIDGE_TRAIN_H

#include "ops_bwd.h"
#include "visual_tokens.h"

/* What the backward needs of the forward, in t->c->arena. */
typedef struct gm_bridge_kept {
  const float *hidden; /* [n * T, D]: the first layer's output before GELU */
} gm_bridge_kept;

/* hidden[n]: a hidden state of each picture, [1+n*n, C]; out[n * T, D]: their tokens, picture
 * after picture. Errors: GM_ERR_MEMORY, GM_ERR_CANCELLED. */
gm_status gm_visual_tokens_train(const gm_training *t, const gm_visual_tokens *w,
                                 const float *const *hidden, size_t n, float *out,
                                 gm_bridge_kept *kept);

/* d_out[n * T, D]. The gradient by the hidden states is added to d_hidden[n], of the shapes of
 * hidden; NULL: not wanted. */
gm_status gm_visual_tokens_back(const gm_training *t, const gm_visual_tokens *w,
                                const float *const *hidden, size_t n,
                                const gm_bridge_kept *kept, const float *d_out,
                                float *const *d_hidden);

#endif
