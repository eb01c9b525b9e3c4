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

/* Weights of a block, with their names in a family's gm_vit_names; sizes C (dim) and F
 * (hidden). A family has either qkv and qkv_b, whose rows are those of q, k and v one after
 * another, or q, k and v with their biases. */
#define GM_VIT_BLOCK_WEIGHTS(VEC, MAT)                                                         \
  VEC(norm1_w, names->norm1_w, C)                                                              \
  VEC(norm1_b, names->norm1_b, C)                                                              \
  MAT(qkv, names->qkv, GM_VISION, 3 * C, C)                                                    \
  VEC(qkv_b, names->qkv_b, 3 * C)                                                              \
  MAT(q, names->q, GM_VISION, C, C)                                                            \
  VEC(q_b, names->q_b, C)                                                                      \
  MAT(k, names->k, GM_VISION, C, C)                                                            \
  VEC(k_b, names->k_b, C)                                                                      \
  MAT(v, names->v, GM_VISION, C, C)                                                            \
  VEC(v_b, names->v_b, C)                                                                      \
  MAT(out, names->out, GM_VISION, C, C)                                                        \
  VEC(out_b, names->out_b, C)                                                                  \
  VEC(scale1, names->scale1, C)                                                                \
  VEC(norm2_w, names->norm2_w, C)                                                              \
  VEC(norm2_b, names->norm2_b, C)                                                              \
  MAT(fc1, names->fc1, GM_VISION, F, C)                                                        \
  VEC(fc1_b, names->fc1_b, F)                                                                  \
  MAT(fc2, names->fc2, GM_VISION, C, F)                                                        \
  VEC(fc2_b, names->fc2_b, C)                                                                  \
  VEC(scale2, names->scale2, C)

/* q, k, v and their biases are set in every family: parts of qkv where it has that. Any other
 * vector that the family does not have is NULL. */
typedef struct gm_vit_block {
  GM_VIT_BLOCK_WEIGHTS(GM_VEC_MEMBER, GM_MAT_MEMBER)
} gm_vit_block;

/* A family's tensor names below the block's prefix; NULL: it has no such tensor. */
typedef struct gm_vit_names {
  GM_VIT_BLOCK_WEIGHTS(GM_VEC_NAME, GM_MAT_NAME)
} gm_vit_names;

/* Adds the rules of a block of this width and hidden width to the current group. */
void gm_vit_block_rules(gm_tensor_rules *rules, const gm_vit_names *names, size_t dim,
                        size_t hidden);
/* Loads the block below l's prefix. GM_ERR_MODEL as weight_loader.h says. */
gm_status gm_vit_block_load(gm_vit_block *w, const gm_weight_loader *l,
                            const gm_vit_names *names, const gm_vit_shape *shape);

/* x[batch * tokens, C] in place; the batch's entries (pictures, texts) attend to themselves
 * alone. Scratch: batch * tokens * max(5C, C + F) floats. */
gm_status gm_vit_block_forward(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *shape,
                               float *x, size_t batch, size_t tokens);

/* A tower's last block where one row of each entry is all that is wanted: rows[i, C] = row
 * at[i] < tokens of entry i, as gm_vit_block_forward gives it up to rounding. A sixth of the
 * work: for the other rows only keys and values are computed. x[batch * tokens, C] stays as it
 * is. Scratch: batch * tokens * 3C floats and less for the rows. */
gm_status gm_vit_block_rows(gm_compute *c, const gm_vit_block *w, const gm_vit_shape *shape,
                            const float *x, size_t batch, size_t tokens, const size_t *at,
                            float *rows);

#endif
