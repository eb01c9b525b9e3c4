/* dinov2.h - pixels [3,S,S] -> hidden states [1+n*n, C], n = S/P. Stages: patch embedding,
 * class token and position, L x transformer block (vit_block.h, LayerScale, exact GELU).
 *
 * DINOv2 (arXiv 2304.07193) as Hugging Face's Dinov2Model 4.32 computes it; its final LayerNorm
 * is not used by Groma. */
#ifndef GM_DINOV2_H
#define GM_DINOV2_H

#include "groma_hparams.h"
#include "vit_block.h"

/* Below "perceiver.vis_encoder.embeddings."; sizes C, P and the rows of the stored grid. The
 * class token and the positions are joined into gm_dinov2.position. */
#define GM_DINOV2_EMBEDDINGS(VEC, MAT, TENSOR)                                                 \
  TENSOR(class_token, "cls_token", "cls_token", GM_KEEP_F32, GM_LAYOUT_SAME, 1, 1, C)          \
  TENSOR(positions, "position_embeddings", "position_embeddings", GM_KEEP_F32, GM_LAYOUT_SAME, \
         1, stored, C)                                                                         \
  TENSOR(patch, "patch_embeddings.projection.weight", "patch_embeddings.projection.weight",    \
         GM_VISION, GM_LAYOUT_MATRIX, C, 3, P, P)                                              \
  VEC(patch_b, "patch_embeddings.projection.bias", C)

typedef struct gm_dinov2 {
  size_t image_size, patch_size; /* S, P */
  size_t grid;                   /* n */
  size_t layers;                 /* L */
  gm_vit_shape shape;
  /* patch is [C, 3*P*P], columns in the order (channel, y, x) */
  GM_DINOV2_EMBEDDINGS(GM_VEC_MEMBER, GM_MAT_MEMBER, GM_TENSOR_MEMBER)
  float *position;      /* [1+n*n, C], owned: resampled to n x n; row 0 + class token */
  gm_vit_block *blocks; /* [L], owned */
} gm_dinov2;

/* Adds the stage's tensors; dims of groma_sizes.h. */
void gm_dinov2_rules(gm_tensor_rules *rules, const size_t *dims);

/* Loads and checks; the stored position grid is resampled to this model's here, once. On
 * failure gm_dinov2_free is still to be called. */
gm_status gm_dinov2_load(gm_dinov2 *w, const gm_model_file *file,
                         const gm_groma_hparams *hparams, gm_error *err);
void gm_dinov2_free(gm_dinov2 *w);
/* Makes w->position anew, after a step of training that changed positions or the class token.
 */
gm_status gm_dinov2_refresh(gm_dinov2 *w, gm_error *err);

/* keep[L+1]: hidden state i (0: the embeddings; i: the output of layer i; raw residual stream)
 * is copied to keep[i] [1+n*n, C] where that is not NULL; row 0 is the class token. Polls
 * between layers. */
gm_status gm_dinov2_forward(gm_compute *c, const gm_dinov2 *w, const float *pixels,
                            float *const *keep);

/* Resamples table[stored*stored, C] to out[grid*grid, C]: bicubic, a = -0.75, taps clamped to
 * the edge, half-pixel centres, with the step stored / (grid + 0.1) between samples that
 * Hugging Face's rounding guard results in. Equal grids are copied. */
void gm_dinov2_resample_position(float *out, size_t grid, const float *table, size_t stored,
                                 size_t C);

#endif
