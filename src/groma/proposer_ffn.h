/* proposer_ffn.h - the feed-forward half of every proposer layer, post-norm:
 * x = norm(x + fc2(relu(fc1(x)))). */
#ifndef GM_PROPOSER_FFN_H
#define GM_PROPOSER_FFN_H

#include "ops.h"
#include "weight_loader.h"

#define GM_PROPOSER_EPS 1e-5f /* of all its LayerNorms but the input's */

/* Sizes d and F. */
#define GM_PROPOSER_FFN_WEIGHTS(VEC, MAT)                                                      \
  MAT(fc1, "fc1.weight", GM_KEEP_F16, F, d)                                                    \
  VEC(fc1_b, "fc1.bias", F)                                                                    \
  MAT(fc2, "fc2.weight", GM_KEEP_F16, d, F)                                                    \
  VEC(fc2_b, "fc2.bias", d)                                                                    \
  VEC(norm_w, "final_layer_norm.weight", d)                                                    \
  VEC(norm_b, "final_layer_norm.bias", d)

typedef struct gm_proposer_ffn {
  size_t dim, hidden; /* d, F */
  GM_PROPOSER_FFN_WEIGHTS(GM_VEC_MEMBER, GM_MAT_MEMBER)
} gm_proposer_ffn;

/* Adds its tensors to the current group. */
void gm_proposer_ffn_rules(gm_tensor_rules *rules, size_t d, size_t F);
gm_status gm_proposer_ffn_load(gm_proposer_ffn *w, const gm_weight_loader *l, size_t d);

/* x[rows, d] in place. */
gm_status gm_proposer_ffn_forward(gm_compute *c, const gm_proposer_ffn *w, float *x,
                                  size_t rows);

#endif
