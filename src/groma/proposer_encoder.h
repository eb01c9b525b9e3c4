/* proposer_encoder.h - patch features [n*n, C] -> memory [n*n, d]: 1x1 conv, LayerNorm, then
 * layers of deformable self-attention and feed-forward, all post-norm (the encoder half of a
 * one-level Deformable DETR, arXiv 2010.04159). */
#ifndef GM_PROPOSER_ENCODER_H
#define GM_PROPOSER_ENCODER_H

#include "deform_attention.h"
#include "groma_hparams.h"
#include "proposer_ffn.h"

/* member, name, shape in d. */
#define GM_PROPOSER_ENCODER_NORM(VEC, MAT)                                                     \
  VEC(norm_w, "self_attn_layer_norm.weight", d)                                                \
  VEC(norm_b, "self_attn_layer_norm.bias", d)

typedef struct gm_proposer_encoder_layer {
  gm_deform_attention attention;
  GM_PROPOSER_ENCODER_NORM(GM_VEC_MEMBER, GM_MAT_MEMBER)
  gm_proposer_ffn ffn;
} gm_proposer_encoder_layer;

/* member, name, shape in d and C. */
#define GM_PROPOSER_INPUT(VEC, MAT)                                                            \
  MAT(input, "0.weight", d, C)                                                                 \
  VEC(input_b, "0.bias", d)                                                                    \
  VEC(input_norm_w, "1.weight", d)                                                             \
  VEC(input_norm_b, "1.bias", d)

typedef struct gm_proposer_encoder {
  size_t grid, width, dim, n_layers; /* n, C, d */
  GM_PROPOSER_INPUT(GM_VEC_MEMBER, GM_MAT_MEMBER)
  float *position;                   /* [n*n, d], owned: sine features + level_embed */
  gm_reference *references;          /* [n*n], owned: cell centres */
  gm_proposer_encoder_layer *layers; /* [n_layers], owned */
} gm_proposer_encoder;

/* On failure gm_proposer_encoder_free is still to be called. */
gm_status gm_proposer_encoder_load(gm_proposer_encoder *w, const gm_model_file *file,
                                   const gm_groma_hparams *hparams, size_t C, gm_error *err);
void gm_proposer_encoder_free(gm_proposer_encoder *w);

/* x[n*n, d] = LayerNorm(conv1x1(features[n*n, C])) */
gm_status gm_proposer_encoder_input(gm_compute *c, const gm_proposer_encoder *w,
                                    const float *features, float *x);
/* x[n*n, d] -> memory, in place. Polls between layers. */
gm_status gm_proposer_encoder_forward(gm_compute *c, const gm_proposer_encoder *w, float *x);

#endif
