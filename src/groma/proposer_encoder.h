/* proposer_encoder.h - patch features [n*n, C] -> memory [n*n, d]: 1x1 conv, LayerNorm, then
 * layers of deformable self-attention and feed-forward, all post-norm (the encoder half of a
 * one-level Deformable DETR, arXiv 2010.04159). */
#ifndef GM_PROPOSER_ENCODER_H
#define GM_PROPOSER_ENCODER_H

#include "deform_attention.h"
#include "groma_hparams.h"
#include "proposer_ffn.h"

/* The proposer's layers and heads. */
#define GM_DDETR "perceiver.ddetr_transformer."

#define GM_PROPOSER_INPUT_EPS 1e-6f /* of the norm after the conv */

/* One layer's tensors besides the attention's and the feed-forward part's; size d. */
#define GM_PROPOSER_ENCODER_NORM(VEC, MAT)                                                     \
  VEC(norm_w, "self_attn_layer_norm.weight", d)                                                \
  VEC(norm_b, "self_attn_layer_norm.bias", d)

typedef struct gm_proposer_encoder_layer {
  gm_deform_attention attention;
  GM_PROPOSER_ENCODER_NORM(GM_VEC_MEMBER, GM_MAT_MEMBER)
  gm_proposer_ffn ffn;
} gm_proposer_encoder_layer;

/* The 1x1 conv and its norm, below "perceiver.input_proj.0."; sizes d and C. */
#define GM_PROPOSER_INPUT(VEC, MAT, TENSOR)                                                    \
  TENSOR(input, "0.weight", "0.weight", GM_KEEP_F16, GM_LAYOUT_MATRIX, d, C, 1, 1)             \
  VEC(input_b, "0.bias", d)                                                                    \
  VEC(input_norm_w, "1.weight", d)                                                             \
  VEC(input_norm_b, "1.bias", d)

/* A row per feature level, added to the positions; sizes n_levels and d. */
#define GM_PROPOSER_LEVELS(VEC, MAT) MAT(levels, "level_embed", GM_KEEP_F32, n_levels, d)

typedef struct gm_proposer_encoder {
  size_t grid, width, dim, n_layers; /* n, C, d */
  GM_PROPOSER_INPUT(GM_VEC_MEMBER, GM_MAT_MEMBER, GM_TENSOR_MEMBER)
  GM_PROPOSER_LEVELS(GM_VEC_MEMBER, GM_MAT_MEMBER)
  float *position;                   /* [n*n, d], owned: sine features + level_embed */
  gm_reference *references;          /* [n*n], owned: cell centres */
  gm_proposer_encoder_layer *layers; /* [n_layers], owned */
} gm_proposer_encoder;

/* Adds the stage's tensors; dims of groma_sizes.h. */
void gm_proposer_encoder_rules(gm_tensor_rules *rules, const size_t *dims);

/* On failure gm_proposer_encoder_free is still to be called. */
gm_status gm_proposer_encoder_load(gm_proposer_encoder *w, const gm_model_file *file,
                                   const gm_groma_hparams *hparams, size_t C, gm_error *err);
void gm_proposer_encoder_free(gm_proposer_encoder *w);
/* Makes w->position anew, after a step of training that changed level_embed. */
gm_status gm_proposer_encoder_refresh(gm_proposer_encoder *w, gm_error *err);

/* x[n*n, d] = LayerNorm(conv1x1(features[n*n, C])) */
gm_status gm_proposer_encoder_input(gm_compute *c, const gm_proposer_encoder *w,
                                    const float *features, float *x);
/* x[n*n, d] -> memory, in place. Polls between layers. */
gm_status gm_proposer_encoder_forward(gm_compute *c, const gm_proposer_encoder *w, float *x);

#endif
