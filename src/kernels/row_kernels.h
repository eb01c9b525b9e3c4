/* row_kernels.h - inner loops over rows of f32: norms, softmax, attention tiles, weighted sums.
 * Each instruction set writes its entries over those of the set below it.
 *
 * No alignment is asked of any pointer, n may be any size (0 included unless said), nothing
 * aliases unless said. Results of two tables differ by rounding only. */
#ifndef GM_ROW_KERNELS_H
#define GM_ROW_KERNELS_H

#include "types.h"

#include <stdbool.h>
#include <stddef.h>

enum { GM_MAX_POINTS = 16 }; /* of deformable attention, per head */

/* The map that deformable attention reads; points <= GM_MAX_POINTS, h and w <= 2^24. */
typedef struct gm_deform_map {
  const float *value; /* [h * w, heads * d], row stride ld */
  size_t ld, h, w, heads, d, points;
} gm_deform_map;

/* Where a query looks: location = (x, y) + offset * (step_x, step_y), in units of the map. */
typedef struct gm_reference {
  float x, y, step_x, step_y;
} gm_reference;

/* What a cache of keys and values in one type needs; rows are in that type. n, d, ldk and ldv
 * are multiples of the type's block (types.h), d <= 256. */
typedef struct gm_kv_kernels {
  /* y[n] from a row, and back, rounded to nearest, halves to even. */
  void (*widen)(float *y, const void *x, size_t n);
  void (*narrow)(void *y, const float *x, size_t n);
  /* s[j] = q[d] . k[j], keys ldk elements apart. With Q8_0 these are products of integers: q is
   * rounded to 16 bits, in steps of max |q| / 32767. */
  void (*dots)(float *s, const float *q, const void *k, size_t ldk, size_t n, size_t d);
  /* o[d] = sum_j p[j] * v[j], or o + that if add; values ldv elements apart. One chain of sums
   * in the order of j: values in two places, the second added to the first, give the same bits
   * as in one. */
  void (*mix)(float *o, const float *p, const void *v, size_t ldv, size_t n, size_t d,
              bool add);
} gm_kv_kernels;

typedef struct gm_row_kernels {
  /* y = a + b; y may be a or b. */
  void (*add)(float *y, const float *a, const float *b, size_t n);
  /* gate = silu(gate) * up */
  void (*silu_mul)(float *gate, const float *up, size_t n);

  /* y = (x - mean) / sqrt(var + eps) * w + b; y may be x; n >= 1. */
  void (*layer_norm)(float *y, const float *x, const float *w, const float *b, size_t n,
                     float eps);
  /* y = x / sqrt(mean(x^2) + eps) * w; y may be x; n >= 1. */
  void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);
  /* Per column of x[rows, n]: the mean and the sum of squared distances from it; rows >= 1. */
  void (*column_stats)(float *mean, float *m2, const float *x, size_t rows, size_t n);
  /* x = x * scale + shift, column by column of x[rows, n]; negative results become 0 if relu.
   */
  void (*scale_shift)(float *x, const float *scale, const float *shift, size_t rows, size_t n,
                      bool relu);

  /* One step of an online softmax: m = max(*max, scale * max x); x = exp(scale * x - m);
   * *max = m; returns the sum of the new x. n >= 1, scale > 0; *max may be -infinity. */
  float (*softmax_step)(float *x, size_t n, float scale, float *max);
  /* x = x * s */
  void (*scale)(float *x, size_t n, float s);

  /* y[n] = sum_j w[j] * rows[j][n]; n_rows may be 0. */
  void (*weighted_rows)(float *y, const float *const *rows, const float *w, size_t n_rows,
                        size_t n);

  /* One query of deformable attention: out[a, d] = sum over points of softmax(score[a])[point]
   * * bilinear(value[:, a], location(offset[a, point, (x, y)]) * (w, h) - 0.5), for heads a;
   * zero outside the map. Coordinates may have any value. */
  void (*deform)(float *out, const gm_deform_map *map, const gm_reference *from,
                 const float *offset, const float *score);

  /* c[m,n] = keep[m] * c + a[m,k] . b[k,n], row strides ldc, lda, ldb; keep NULL: c is only
   * written. Made for tiles that fit in the caches: b is not packed. */
  void (*tile_product)(float *c, size_t ldc, const float *keep, const float *a, size_t lda,
                       const float *b, size_t ldb, size_t m, size_t n, size_t k);
  /* y[n, rows] = transposed x[rows, n], row strides ldy, ldx. */
  void (*transpose)(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, size_t n);

  /* Cuts x[rows, n] (row stride ldx) into strips of `width` columns: y[s * y_step + r * width +
   * c] = x[r * ldx + s * width + c]; columns that the last strip lacks are zeros. y_step >=
   * rows * width, rows >= 1, width >= 1. */
  void (*strips)(float *y, size_t y_step, size_t width, const float *x, size_t ldx, size_t rows,
                 size_t n);

  /* By type of a cache's keys and values: F32, F16, Q8_0. The rows of other types are empty. */
  gm_kv_kernels kv[GM_TYPE_COUNT];

  /* Rotates x[2 * half]: (a, b) = (x[i], x[half + i]) -> (a c - b s, b c + a s) with c =
   * cos[i], s = sin[i]. */
  void (*rotate)(float *x, const float *cos, const float *sin, size_t half);

  /* Winograd's F(4x4, 3x3), see winograd_points.h; column by column of n channels.
   * v[f * v_step + i], f < 36, from a 6 x 6 square of positions x[36]. */
  void (*winograd_input)(float *v, size_t v_step, const float *const *x, size_t n);
  /* u[f * u_step + i] from the taps w[9]. */
  void (*winograd_weight)(float *u, size_t u_step, const float *const *w, size_t n);
  /* out = transformed m[f * m_step + i] + bias (NULL: 0); y[16] are the 4 x 4 positions of the
   * result, NULL ones are left out: y = out, or y + out if accumulate, negative values 0 if
   * relu. */
  void (*winograd_output)(float *const *y, const float *m, size_t m_step, const float *bias,
                          bool accumulate, bool relu, size_t n);
  /* The gradients of the two linear maps above, the other way. m, as transformed by
   * winograd_output, from the gradients y[16] of its outputs; NULL ones are zeros. */
  void (*winograd_output_back)(float *m, size_t m_step, const float *const *y, size_t n);
  /* w[9] += the gradients of the taps, from those of u. */
  void (*winograd_weight_back)(float *const *w, const float *u, size_t u_step, size_t n);
} gm_row_kernels;

/* Each fills in the members that it has, over those that are there; ref fills in all. */
void gm_row_kernels_use_ref(gm_row_kernels *k);
void gm_row_kernels_use_avx2(gm_row_kernels *k);
void gm_row_kernels_use_avx512(gm_row_kernels *k);
void gm_row_kernels_use_neon(gm_row_kernels *k);

#endif
