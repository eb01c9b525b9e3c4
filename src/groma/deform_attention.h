/* deform_attention.h - multi-head deformable attention over one map (Deformable DETR, arXiv
 * 2010.04159, as Hugging Face computes it): every query looks at a few points around its
 * reference.
 *
 *   value   = value_proj(map)                            [n*n, heads * head_dim]
 *   offset  = sampling_offsets(query)                    [q, heads, points, (x, y)]
 *   weight  = softmax over points of attention_weights   [q, heads, points]
 *   y      += output_proj(sum over points of weight * bilinear(value, reference + offset *
 *             step)) */
#ifndef GM_DEFORM_ATTENTION_H
#define GM_DEFORM_ATTENTION_H

#include "ops.h"
#include "weight_loader.h"

/* Sizes d, n_offsets (heads * points * 2) and n_weights (heads * points). */
#define GM_DEFORM_ATTENTION_WEIGHTS(VEC, MAT)                                                  \
  MAT(offsets, "sampling_offsets.weight", GM_KEEP_F32, n_offsets, d)                           \
  VEC(offsets_b, "sampling_offsets.bias", n_offsets)                                           \
  MAT(weights, "attention_weights.weight", GM_KEEP_F32, n_weights, d)                          \
  VEC(weights_b, "attention_weights.bias", n_weights)                                          \
  MAT(value, "value_proj.weight", GM_KEEP_F16, d, d)                                           \
  VEC(value_b, "value_proj.bias", d)                                                           \
  MAT(out, "output_proj.weight", GM_KEEP_F16, d, d)                                            \
  VEC(out_b, "output_proj.bias", d)

typedef struct gm_deform_attention {
  size_t dim, heads, points;
  GM_DEFORM_ATTENTION_WEIGHTS(GM_VEC_MEMBER, GM_MAT_MEMBER)
} gm_deform_attention;

/* Adds its tensors to the current group. */
void gm_deform_attention_rules(gm_tensor_rules *rules, size_t d, size_t n_offsets,
                               size_t n_weights);

/* heads divides d (checked before); points = rows of sampling_offsets / (2 * heads). */
gm_status gm_deform_attention_load(gm_deform_attention *w, const gm_weight_loader *l, size_t d,
                                   size_t heads);

/* The product that gives value[n*n, d] of a map; those of several layers may share their map.
 */
gm_linear_out gm_deform_attention_value(const gm_deform_attention *w, float *value);

/* y[q, d] += attention of query[q, d] with references[q] to value[n*n, d]. */
gm_status gm_deform_attention_forward(gm_compute *c, const gm_deform_attention *w, float *y,
                                      const float *query, const gm_reference *references,
                                      size_t n_queries, const float *value, size_t n);

#endif
