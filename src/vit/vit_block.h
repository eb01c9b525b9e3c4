/* vit_block.h - one block of a vision (or CLIP text) transformer:
 *
 *   x = x + scale1 * out(attention(norm1(x)))
 *   x = x + scale2 * fc2(act(fc1(norm2(x))))
 *
 * Pre-norm. LayerScale, fused or separate query/key/value weights, the activation and causal
 * attention are the caller's to choose: DINOv2 and both CLIP towers are made of it. */
#ifndef GM_VIT_BLOCK_H
#define GM_VIT_BLOCK_H

#include "ops.h"
#include "weight_loader.h"

/* What all blocks of a tower have in common. */
typedef struct gm_vit_shape {
  size_t dim;    /* C; heads divide it, C / heads <= GM_MAX_HEAD_DIM */
  size_t hidden; /* F: width of the feed-forward layer */
  size_t heads;
  float eps; /* of both LayerNorms */
  gm_act act;
  bool causal;
} gm_vit_shape;

/* member, shape in C (dim) and F (hidden). */
#define GM_VIT_BLOCK_WEIGHTS(VEC, MAT)                                                         \
  VEC(norm1_w, C)                                                                              \
  VEC(norm1_b, C)                                                                              \
  MAT(q, C, C)                                                                                 \
  VEC(q_b, C)                                                                                  \
  MAT(k, C, C)                                                                                 \
  VEC(k_b, C)                                                                                  \
  MAT(v, C, C)                                                                                 \
  VEC(v_b, C)                                                                                  \
  MAT(out, C, C)                                                                               \
  VEC(out_b, C)                                                                                \
  VEC(scale1, C)                                                                               \
  VEC(norm2_w, C)                                                                              \
  VEC(norm2_b, C)                                                                              \
  MAT(fc1, F, C)                                                                               \
  VEC(fc1_b, F)                                                                                \
  MAT(fc2, C, F)                                                                               \
  VEC(fc2_b, C)                                                                                \
  VEC(scale2, C)

#define GM_VIT_VEC(member, n) const float *member;
#define GM_VIT_MAT(member, rows, columns) gm_tensor member;
/* A vector that the family does not have (no name below) is NULL. */
typedef struct gm_vit_block {
  GM_VIT_BLOCK_WEIGHTS(GM_VIT_VEC, GM_VIT_MAT)
} gm_vit_block;
#undef GM_VIT_VEC
#undef GM_VIT_MAT

#define GM_VIT_NAME_V(member, n) const char *member;
#define GM_VIT_NAME_M(member, rows, columns) const char *member;
/* A family's tensor names below the block's prefix. Where qkv is set, [3C, C] rows in the order
 * q, k, v and qkv_b [3C] stand in for q, k, v and their biases. */
typedef struct gm_vit_names {
  GM_VIT_BLOCK_WEIGHTS(GM_VIT_NAME_V, GM_VIT_NAME_M)
  const char *qkv, *qkv_b;
} gm_vit_names;
#undef GM_VIT_NAME_V
#undef GM_VIT_NAME_M

/* Loads the block below l's prefix. GM_ERR_MODEL as weight_loader.h says. */
gm_status gm_vit_block_load(gm_vit_block *w, const gm_weight_loader *l,
                            const gm_vit_names *names, const gm_vit_shape *shape);

/* x[batch * tokens, C] in place; the batch's entries (pictures, texts) attend to themselves
 * alone. Scratch: batch * tokens * max(5C, C + F) floats. */
gm_status gm_vit_block_forward(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *shape,
                               float *x, size_t batch, size_t tokens);

/* A tower's last block where one row of each entry is all that is wanted: rows[i, C] = row
 * at[i] < tokens of entry i, as gm_vit_block_forward gives it up to rounding. A sixth of the
 * work: only keys and values are computed of the others. x[batch * tokens, C] stays as it is.
 * Scratch: batch * tokens * 3C floats and less for the rows. */
gm_status gm_vit_block_rows(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *shape,
                            const float *x, size_t batch, size_t tokens, const size_t *at,
                            float *rows);

#endif
