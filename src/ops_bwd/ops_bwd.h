/* ops_bwd.h - whole-tensor operations with their backward passes.
 *
 * Conventions of ops.h: activations f32, row-major, channels last; threads of t->c->pool;
 * scratch from t->c->arena; results are bit-identical for any number of threads. Frozen weights
 * may be of any type, and are widened panel by panel; activations are never rounded to int8.
 *
 * X_train is the forward pass. It keeps nothing itself: the caller keeps the tensors that
 * X_back takes. X_back gets dy, the loss's gradient by the output, and gives the gradient by
 * the inputs: into dx where that is not NULL; dx = v, or dx += v if `add`. To gradients of
 * weights (gm_gradient) it always adds, and leaves out those that do not learn. All that return
 * gm_status may return GM_ERR_MEMORY or GM_ERR_CANCELLED. */
#ifndef GM_OPS_BWD_H
#define GM_OPS_BWD_H

#include "ops.h"
#include "training.h"

/* ---- linear.c: products ---- */

/* y[m, n] (row stride ldy) = x[m, k] (row stride ldx) . w[n, k]^T + bias, with the low-rank
 * pairs of w: one that learns (gm_learned), and one that came with the model (gm_tensor.pair).
 * bias may be NULL. */
gm_status gm_linear_train(const gm_training *t, const gm_tensor *w, const float *bias,
                          const float *x, size_t ldx, size_t m, float *y, size_t ldy);
/* dx[m, k] (row stride lddx) from dy[m, n] (row stride lddy) and x as in the forward. */
gm_status gm_linear_back(const gm_training *t, const gm_tensor *w, const float *bias,
                         const float *x, size_t ldx, const float *dy, size_t lddy, size_t m,
                         float *dx, size_t lddx, bool add);
/* The rows ids[n] of a table: gradient[ids[i]] += dy[i], in the order of i. */
void gm_get_rows_back(const gm_training *t, const gm_tensor *table, const int32_t *ids,
                      size_t n, const float *dy, size_t lddy);

/* 3x3 convolution, padding 1, stride 1, as gm_conv3x3: x[b, h, w, ci], weight [3, 3, co, ci],
 * y[b, h, w, co]. */
gm_status gm_conv3x3_train(const gm_training *t, const gm_tensor *weight, const float *bias,
                           const float *x, size_t b, size_t h, size_t w, float *y);
gm_status gm_conv3x3_back(const gm_training *t, const gm_tensor *weight, const float *bias,
                          const float *x, const float *dy, size_t b, size_t h, size_t w,
                          float *dx, bool add);

/* ---- elementwise_bwd.c ---- */

/* y = act(x), n elements; y may be x if x is not needed. */
void gm_act_train(const gm_training *t, gm_act act, float *y, const float *x, size_t n);
/* dx = dy * act'(x); dx may be dy. x is the input of act; for GM_ACT_RELU the output does too.
 */
void gm_act_back(const gm_training *t, gm_act act, float *dx, const float *x, const float *dy,
                 size_t n);
/* y = silu(gate) * up; d_gate may be gate, d_up may be up or dy. */
void gm_silu_mul_train(const gm_training *t, float *y, const float *gate, const float *up,
                       size_t n);
void gm_silu_mul_back(const gm_training *t, float *d_gate, float *d_up, const float *gate,
                      const float *up, const float *dy, size_t n);
/* LayerScale: y[rows, dim] = x * scale[dim]. y may be x where x is not needed; dx may be dy. */
void gm_scale_train(const gm_training *t, float *y, const float *x, size_t rows, size_t dim,
                    const float *scale);
gm_status gm_scale_back(const gm_training *t, float *dx, const float *x, const float *dy,
                        size_t rows, size_t dim, const float *scale);
/* x[n] *= mask / (1 - p), p = t->dropout, mask from (t->drop_key, place, i). It is its own
 * backward. Does nothing where p is 0. place differs at each use in a step. */
void gm_dropout(const gm_training *t, uint64_t place, float *x, size_t n);

/* ---- norms_bwd.c: stats are what the backward needs, 2 floats a row or group ---- */

void gm_layer_norm_train(const gm_training *t, float *y, const float *x, float *stats,
                         size_t rows, size_t dim, const float *weight, const float *bias,
                         float eps);
gm_status gm_layer_norm_back(const gm_training *t, float *dx, bool add, const float *x,
                             const float *stats, const float *dy, size_t rows, size_t dim,
                             const float *weight, const float *bias);
void gm_rms_norm_train(const gm_training *t, float *y, const float *x, float *stats,
                       size_t rows, size_t dim, const float *weight, float eps);
gm_status gm_rms_norm_back(const gm_training *t, float *dx, bool add, const float *x,
                           const float *stats, const float *dy, size_t rows, size_t dim,
                           const float *weight);
/* As gm_group_norm: x[b, hw, channels], then ReLU if relu; stats[b, groups, 2]; y may not be x.
 * The backward takes y to know where ReLU cut. */
gm_status gm_group_norm_train(const gm_training *t, float *y, const float *x, float *stats,
                              size_t b, size_t hw, size_t channels, size_t groups,
                              const float *weight, const float *bias, float eps, bool relu);
gm_status gm_group_norm_back(const gm_training *t, float *dx, bool add, const float *x,
                             const float *y, const float *stats, const float *dy, size_t b,
                             size_t hw, size_t channels, size_t groups, const float *weight,
                             const float *bias, bool relu);

/* ---- attention_bwd.c ---- */

/* Sequences one after another in the rows of q, k, v and out; each attends to itself alone.
 * Query head h reads kv head h * kv_heads / heads. */
typedef struct gm_attention_shape {
  const size_t *lengths; /* [n_sequences]; rows in all are their sum */
  size_t n_sequences;
  size_t heads, kv_heads, head_dim; /* head_dim <= GM_MAX_HEAD_DIM */
  float scale;
  bool causal;                   /* query i sees keys 0..i */
  size_t q_row, kv_row, out_row; /* row strides of q and dq; k, v, dk and dv; out and d_out */
} gm_attention_shape;
/* lse[rows, heads]: log-sum-exp of the scaled scores, for the backward, which recomputes the
 * weights in tiles from it. */
gm_status gm_attention_train(const gm_training *t, const gm_attention_shape *shape,
                             const float *q, const float *k, const float *v, float *out,
                             float *lse);
/* dq, dk, dv are overwritten. */
gm_status gm_attention_back(const gm_training *t, const gm_attention_shape *shape,
                            const float *q, const float *k, const float *v, const float *out,
                            const float *lse, const float *d_out, float *dq, float *dk,
                            float *dv);
/* The rotation of gm_rope the other way: the gradient by its input, in place. */
void gm_rope_back(const gm_training *t, float *dx, size_t x_row, size_t rows, size_t heads,
                  size_t head_dim, const float *table);
/* Mean (or sum, divided by `count`) cross-entropy: *loss = sum of -log
 * softmax(logits[i])[target[i]] / count over the rows with target >= 0; logits[rows, n] become
 * the gradient, in place (rows with target < 0: zero). The loss is summed in f64. */
void gm_cross_entropy(const gm_training *t, float *logits, size_t ld, size_t rows, size_t n,
                      const int32_t *targets, double count, double *loss);

/* ---- sampling_bwd.c: scatters in a fixed order ---- */

/* d_in[hi, wi, ld_in] (channels of it) from d_out of gm_resize_bilinear. */
void gm_resize_bilinear_back(const gm_training *t, float *d_in, size_t ld_in, size_t hi,
                             size_t wi, bool add, const float *d_out, size_t ld_out, size_t ho,
                             size_t wo, size_t channels);
/* d_map[h, w, channels] += ..., of gm_roi_align; boxes get no gradient. */
gm_status gm_roi_align_back(const gm_training *t, float *d_map, size_t h, size_t w,
                            size_t channels, const float *boxes, size_t n, size_t bins,
                            float stride, const float *d_out);
/* Of gm_deform_sample, for one picture: d_values (of the map, overwritten or added to),
 * d_offset and d_score (the softmax's inputs; overwritten). References get no gradient.
 * d_out[n_queries, heads * d]. */
gm_status gm_deform_sample_back(const gm_training *t, const gm_deform_map *map,
                                const gm_reference *from, const float *offset,
                                const float *score, size_t n_queries, const float *d_out,
                                float *d_values, bool add, float *d_offset, float *d_score);

#endif
