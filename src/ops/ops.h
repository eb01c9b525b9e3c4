/* ops.h - whole-tensor operations: shapes asserted, threads used, scratch from the arena.
 *
 * Activations are f32, row-major, channels last. Sizes are element counts, strides are in
 * elements. Outputs alias nothing unless said. All may return GM_ERR_MEMORY. Results do not
 * depend on the number of threads. B batch, T tokens, C channels, H W rows and columns. */
#ifndef GM_OPS_H
#define GM_OPS_H

#include "compute.h"
#include "tensor.h"

/* One product of a shared input: v = act(x . w^T + bias) * scale; y = v, or y += v. Where w has
 * a low-rank pair, x . w^T has its share too. */
typedef struct gm_linear_out {
  const gm_tensor *w; /* [n, k], any type */
  const float *bias;  /* [n] or NULL */
  gm_act act;
  const float *scale; /* [n] or NULL (LayerScale) */
  bool accumulate;    /* y += v */
  float *y;           /* [m, n] */
  size_t ldy;         /* row stride of y, >= n */
} gm_linear_out;

/* Products of one x[m,k] (row stride ldx) with several matrices: x is packed or quantised once.
 * Weights in f32, f16, bf16 compute in f32, but GM_WAY_READ in products of bf16 or of 16-bit
 * integers where the kernels round weights of that type; block types with int8 activations
 * (block of the type's dot partner). A row's result depends on the way, not on m. */
gm_status gm_linear(gm_compute *c, const float *x, size_t ldx, size_t m,
                    const gm_linear_out *outs, size_t n_outs);

/* out[i,:] = table[ids[i],:]; ids are within the table (asserted). */
void gm_get_rows(float *out, size_t ld_out, const gm_tensor *table, const int32_t *ids,
                 size_t n);

/* y = (x - mean) / sqrt(var + eps) * weight + bias over the last dimension; y may be x. */
void gm_layer_norm(gm_compute *c, float *y, const float *x, size_t rows, size_t dim,
                   const float *weight, const float *bias, float eps);
/* y = x / sqrt(mean(x^2) + eps) * weight; y may be x. */
void gm_rms_norm(gm_compute *c, float *y, const float *x, size_t rows, size_t dim,
                 const float *weight, float eps);
/* x[B, H*W, C] in place: statistics per batch entry and group of C/groups neighbouring
 * channels, then weight[C], bias[C], then ReLU if relu. stats[B, groups, 2] or NULL: each
 * group's mean and 1 / sqrt(var + eps). */
gm_status gm_group_norm(gm_compute *c, float *x, size_t b, size_t hw, size_t channels,
                        size_t groups, const float *weight, const float *bias, float eps,
                        bool relu, float *stats);

/* Element by element, threaded. */
void gm_add(gm_compute *c, float *y, const float *a, const float *b,
            size_t n); /* y may be a or b */
void gm_silu_mul(gm_compute *c, float *gate, const float *up,
                 size_t n); /* gate = silu(gate) * up */

/* Keys and values of consecutive positions: element (position t, kv head h, d) of k is at
 * k + t * row + h * head (elements of k_type), likewise v. Blocks of Q8_0 lie within a head:
 * row and head are multiples of 32 then. */
typedef struct gm_kv_span {
  const void *k, *v;
  size_t n, row, head;
} gm_kv_span;

/* Multi-head attention. The key sequence is the spans one after another (a shared prefix, then
 * a question's own), tk positions in all. out(i, h) = softmax_j(scale * q(i,h) . k(j,h'))
 * v(j,h'), h' = h * kv_heads / heads. */
enum { GM_MAX_HEAD_DIM = 256 };

/* A sequence that goes on from keys which others share: its queries are the next tq rows of q,
 * its own keys come after the shared ones. */
typedef struct gm_attention_part {
  const gm_kv_span *spans;
  size_t n_spans, tq;
} gm_attention_part;

typedef struct gm_attention_args {
  const float *q; /* [tq, heads * head_dim], row stride q_row */
  size_t q_row;
  const gm_kv_span *spans;
  size_t n_spans;
  gm_type k_type, v_type; /* that gm_kv_fits head_dim */
  /* Entries of equal sizes that attend to themselves alone (crops of a picture); 0 means 1.
   * They lie one after another: entry b has q + b * tq * q_row, out + b * tq * out_row, and in
   * each span k + b * n * row, v + b * n * row. */
  size_t batch;
  size_t tq, heads, kv_heads, head_dim; /* head_dim <= GM_MAX_HEAD_DIM */
  float scale;
  /* Query i sees keys 0 .. tk - tq + i. Values of the others may be read with the weight 0, so
   * that an infinite one of them gives NaN, as it does in the reference. */
  bool causal;
  /* Not NULL: `spans`, which may be none, are seen by all queries, and part after part sees
   * keys of its own as well, causal as above; tq is the sum of the parts', batch 1. Most of the
   * keys that are shared are read and converted once for all. */
  const gm_attention_part *parts;
  size_t n_parts;
  /* GM_WAY_READ may go to gm_attention_rounded, where that does not make a row's result depend
   * on keys that it does not see: not in words. */
  bool rounded;
  float *out; /* [tq, heads * head_dim], row stride out_row */
  size_t out_row;
  /* [rows of out, heads] or NULL: the logarithm of a query's sum of exp(scale * q . k), for a
   * backward pass. In GM_WAY_READ and f32 only. */
  float *lse;
} gm_attention_args;
/* Causal attention's result for a query is bit-identical whatever the other queries, wherever
 * spans begin, whatever is shared; it depends on the way (GM_WAY_STEP: batch 1). */
gm_status gm_attention(gm_compute *c, const gm_attention_args *args);
/* The way of GM_WAY_STEP, for gm_attention: made for one query a sequence. */
gm_status gm_attention_step(gm_compute *c, const gm_attention_args *args);
/* The same, where queries, keys, the softmax's weights and values are rounded to 16 bits
 * (gm_kernels.rounded; sums and softmax are f32). For who asked the kernels whether they round
 * (gm_kernels.rounds). */
gm_status gm_attention_rounded(gm_compute *c, const gm_attention_args *args);

/* Cosines and sines of the rotary position, once per forward pass: table[t, head_dim] holds for
 * position first + i the cosines of head_dim / 2 angles, then their sines. The angle is
 * position * theta^(-2k / head_dim), rounded to f32 where Hugging Face rounds. */
void gm_rope_table(gm_compute *c, float *table, size_t t, size_t head_dim, size_t first,
                   float theta);
/* Rotary position in Hugging Face's half-split layout, in place on x[t, heads * head_dim] (row
 * stride x_row): (a, b) -> (a cos - b sin, b cos + a sin), a in the first half of a head. */
void gm_rope(gm_compute *c, float *x, size_t x_row, size_t t, size_t heads, size_t head_dim,
             const float *table);

/* Patches of a planar picture pixels[3, S, S] as rows in the order (channel, y, x):
 * out[(S/P)^2, 3*P*P]. */
void gm_patches(gm_compute *c, float *out, const float *pixels, size_t size, size_t patch);

/* 3x3 convolution, padding 1, stride 1, of b maps of h x w positions: v[b,h,w,co] =
 * x[b,h,w,ci] * weight[3,3,co,ci] (tap row, tap column, out, in) + bias. Weights of any type.
 * Large enough maps and channels go through Winograd's algorithm, in f32 or, where the weights
 * are not f32 and it is faster, in products of 16 bits; small ones go through gm_linear. */
typedef struct gm_conv_args {
  const float *x;
  size_t b, h, w;
  const gm_tensor *weight;
  const float *bias; /* [co] or NULL */
  bool accumulate;   /* y = y + v instead of v */
  bool relu;         /* then y = max(y, 0) */
  float *y;
} gm_conv_args;
gm_status gm_conv3x3(gm_compute *c, const gm_conv_args *args);

/* Bilinear with align_corners=True: out[ho, wo, C] from channels [first, first + C) of
 * in[hi, wi, ld_in]; out has row stride ld_out (so that it can be a part of wider channels). */
void gm_resize_bilinear(gm_compute *c, float *out, size_t ld_out, size_t ho, size_t wo,
                        const float *in, size_t ld_in, size_t hi, size_t wi, size_t channels);

/* RoIAlign (aligned, average, sampling_ratio 2) of map[H, W, C] at boxes[n][4] = x1 y1 x2 y2 in
 * image pixels: out[n, bins, bins, C]. Rules at the border and for negative extents as in
 * docs/MODEL.md. */
void gm_roi_align(gm_compute *c, float *out, const float *map, size_t h, size_t w,
                  size_t channels, const float *boxes, size_t n, size_t bins, float stride);

/* Deformable attention's reading of one level: query i looks from from[i] with offset[i, heads,
 * points, (x, y)] and score[i, heads, points], see gm_row_kernels.deform; out[n_queries, heads
 * * d]. */
void gm_deform_sample(gm_compute *c, float *out, const gm_deform_map *map,
                      const gm_reference *from, const float *offset, const float *score,
                      size_t n_queries);

#endif
