/* train_kernels.h - inner loops of training: derivatives of activations, norms and softmax, and
 * the optimiser's update. The contract of row_kernels.h holds: no alignment is asked, n may be
 * any size, nothing aliases unless said, results of two tables differ by rounding only. */
#ifndef GM_TRAIN_KERNELS_H
#define GM_TRAIN_KERNELS_H

#include "matmul_kernels.h"

#include <stdbool.h>
#include <stddef.h>

/* One row y = (x - mean) * inverse * w (+ b), backwards; inverse is 1 / deviation. */
typedef struct gm_norm_row {
  float *dx;      /* = v, or += v if add; NULL: not wanted; may be dy */
  float *dw, *db; /* += dy * (x - mean) * inverse; += dy. Each may be NULL. */
  const float *x, *dy, *w;
  float mean, inverse;
  bool centred; /* mean and inverse are of x with its mean taken away; else mean is 0 */
  bool add;
} gm_norm_row;

/* Rows y = (x - mean) * .. by channel, where sums go over rows and several channels. */
typedef struct gm_channel_rows {
  const float *x, *dy; /* [rows, n] */
  const float *y;      /* [rows, n]: dy counts where y > 0 only; NULL: everywhere */
  const float *mean;   /* [n] */
  size_t rows;
} gm_channel_rows;

/* One update of AdamW (arXiv 1711.05101):
 *   g = gradient * clip, m += rest1 (g - m), v += rest2 (g^2 - v),
 *   value -= decay * value + step * m / (sqrt(v) * root + eps).
 * Decay and step are taken away in one, so that a decay which is lost beside the value still
 * counts beside the step. */
typedef struct gm_adamw {
  float clip, eps;
  float rest1, rest2; /* 1 - beta1, 1 - beta2 */
  float decay;        /* rate * weight decay */
  float step;         /* rate / (1 - beta1^t), t counted from 1 */
  float root;         /* 1 / sqrt(1 - beta2^t) */
} gm_adamw;

typedef struct gm_train_kernels {
  /* dx = dy * act'(x); dx may be dy or x. */
  void (*act_back)(float *dx, const float *x, const float *dy, size_t n, gm_act act);
  /* Of silu(gate) * up; d_gate may be gate, d_up may be up or dy. */
  void (*silu_mul_back)(float *d_gate, float *d_up, const float *gate, const float *up,
                        const float *dy, size_t n);
  /* y = a * b; y may be a or b. */
  void (*multiply)(float *y, const float *a, const float *b, size_t n);
  /* y += a * b */
  void (*multiply_add)(float *y, const float *a, const float *b, size_t n);

  /* stats = mean (0 unless centred) and 1 / sqrt(mean((x - mean)^2) + eps); n >= 1. */
  void (*norm_stats)(float stats[2], const float *x, size_t n, float eps, bool centred);
  void (*norm_back)(const gm_norm_row *row, size_t n);
  /* sum[n] = column sums of dy, product[n] = those of dy * (x - mean). */
  void (*channel_sums)(float *sum, float *product, const gm_channel_rows *r, size_t n);
  /* dx = dy * a + (x - mean) * b + c, column by column, or dx + that if add; dx may be dy. */
  void (*channel_back)(float *dx, bool add, const gm_channel_rows *r, const float *a,
                       const float *b, const float *c, size_t n);

  /* p = exp(scale * p - lse): weights of a softmax from scores and their log-sum-exp. */
  void (*softmax_again)(float *p, const float *lse, float scale, size_t n);
  /* dp = p * (dp - delta) * scale: the gradient by the scores, before they were scaled. */
  void (*softmax_back)(float *dp, const float *p, const float *delta, float scale, size_t n);

  /* y[n] from blocks of a type, as gm_type_traits.to_float; NULL: there is nothing better. */
  void (*widen[GM_TYPE_COUNT])(float *y, const void *x, size_t n);

  void (*adamw)(float *value, float *moment1, float *moment2, const float *gradient,
                const gm_adamw *a, size_t n);
} gm_train_kernels;

/* Each fills in the members that it has, over those that are there; ref fills in all. */
void gm_train_kernels_use_ref(gm_train_kernels *k);
void gm_train_kernels_use_avx2(gm_train_kernels *k);
void gm_train_kernels_use_avx512(gm_train_kernels *k);
void gm_train_kernels_use_neon(gm_train_kernels *k);

#endif
