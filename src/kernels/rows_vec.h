/* rows_vec.h - row_kernels.h in vectors: gates, norms, softmax, weighted sums, conversion. One
 * file of each instruction set includes its vec_NAME.h, then this, and calls use_vec at the
 * end, which fills in these functions and those of attention_vec.h, deform_vec.h and
 * winograd_vec.h. */
#ifndef GM_ROWS_VEC_H
#define GM_ROWS_VEC_H

#include "attention_vec.h"
#include "moments_vec.h"
#include "row_kernels.h"
#include "vec_math.h"
#include "winograd_vec.h"

#include <assert.h>
#include <math.h>

static void add_vec(float *y, const float *a, const float *b, size_t n) {
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) vec_store(y + i, vec_add(vec_load(a + i), vec_load(b + i)));
  if (i < n)
    vec_store_part(y + i, vec_add(vec_load_part(a + i, n - i), vec_load_part(b + i, n - i)),
                   n - i);
}

static void silu_mul_vec(float *gate, const float *up, size_t n) {
  size_t i = 0;
  for (; i + VEC <= n; i += VEC)
    vec_store(gate + i, vec_mul(vec_silu(vec_load(gate + i)), vec_load(up + i)));
  if (i == n) return;
  vec x = vec_silu(vec_load_part(gate + i, n - i));
  vec_store_part(gate + i, vec_mul(x, vec_load_part(up + i, n - i)), n - i);
}

static void scale_vec(float *x, size_t n, float s) {
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) vec_store(x + i, vec_mul(vec_load(x + i), vec_set(s)));
  if (i < n) vec_store_part(x + i, vec_mul(vec_load_part(x + i, n - i), vec_set(s)), n - i);
}

/* ---- norms */

static void layer_norm_vec(float *y, const float *x, const float *w, const float *b, size_t n,
                           float eps) {
  assert(n > 0);
  float mean = mean_of(x, n);
  const vec m = vec_set(mean), inverse = vec_set(inverse_of(x, n, mean, eps));
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) {
    vec d = vec_mul(vec_sub(vec_load(x + i), m), inverse);
    vec_store(y + i, vec_fma(d, vec_load(w + i), vec_load(b + i)));
  }
  if (i == n) return;
  vec d = vec_mul(vec_sub(vec_load_part(x + i, n - i), m), inverse);
  d = vec_fma(d, vec_load_part(w + i, n - i), vec_load_part(b + i, n - i));
  vec_store_part(y + i, d, n - i);
}

static void rms_norm_vec(float *y, const float *x, const float *w, size_t n, float eps) {
  assert(n > 0);
  const vec inverse = vec_set(inverse_of(x, n, 0, eps));
  size_t i = 0;
  for (; i + VEC <= n; i += VEC)
    vec_store(y + i, vec_mul(vec_mul(vec_load(x + i), inverse), vec_load(w + i)));
  if (i == n) return;
  vec d = vec_mul(vec_load_part(x + i, n - i), inverse);
  vec_store_part(y + i, vec_mul(d, vec_load_part(w + i, n - i)), n - i);
}

static inline __attribute__((always_inline)) void column_block(size_t vecs, float *mean,
                                                               float *m2, const float *x,
                                                               size_t rows, size_t n,
                                                               size_t left) {
  vec sum[4], squares[4];
  const vec count = vec_set((float)rows);
  GM_UNROLL
  for (size_t j = 0; j < vecs; j++) sum[j] = squares[j] = vec_set(0);
  for (size_t r = 0; r < rows; r++) {
    GM_UNROLL
    for (size_t j = 0; j < vecs; j++)
      sum[j] = vec_add(sum[j], load_left(x + r * n + j * VEC, left));
  }
  GM_UNROLL
  for (size_t j = 0; j < vecs; j++) sum[j] = vec_div(sum[j], count);
  for (size_t r = 0; r < rows; r++) {
    GM_UNROLL
    for (size_t j = 0; j < vecs; j++) {
      vec d = vec_sub(load_left(x + r * n + j * VEC, left), sum[j]);
      squares[j] = vec_fma(d, d, squares[j]);
    }
  }
  GM_UNROLL
  for (size_t j = 0; j < vecs; j++) {
    store_left(mean + j * VEC, sum[j], left);
    store_left(m2 + j * VEC, squares[j], left);
  }
}

static void column_stats_vec(float *mean, float *m2, const float *x, size_t rows, size_t n) {
  assert(rows > 0);
  size_t i = 0;
  for (; i + 4 * VEC <= n; i += 4 * VEC) column_block(4, mean + i, m2 + i, x + i, rows, n, VEC);
  for (; i + VEC <= n; i += VEC) column_block(1, mean + i, m2 + i, x + i, rows, n, VEC);
  if (i < n) column_block(1, mean + i, m2 + i, x + i, rows, n, n - i);
}

static void scale_shift_vec(float *x, const float *scale, const float *shift, size_t rows,
                            size_t n, bool relu) {
  const vec least = vec_set(relu ? 0 : -INFINITY);
  for (size_t r = 0; r < rows; r++, x += n) {
    size_t i = 0;
    for (; i + VEC <= n; i += VEC) {
      vec y = vec_fma(vec_load(x + i), vec_load(scale + i), vec_load(shift + i));
      vec_store(x + i, vec_max(least, y));
    }
    if (i == n) continue;
    vec y = vec_fma(vec_load_part(x + i, n - i), vec_load_part(scale + i, n - i),
                    vec_load_part(shift + i, n - i));
    vec_store_part(x + i, vec_max(least, y), n - i);
  }
}

/* ---- softmax */

static float softmax_step_vec(float *x, size_t n, float scale, float *max) {
  assert(n > 0 && scale > 0);
  vec top = vec_set(x[0]), sum = vec_set(0);
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) top = vec_max(top, vec_load(x + i));
  float highest = vec_top(top);
  for (size_t j = i; j < n; j++) highest = x[j] > highest ? x[j] : highest;
  highest = highest * scale > *max ? highest * scale : *max;
  *max = highest;
  const vec s = vec_set(scale), m = vec_set(-highest);
  for (i = 0; i + VEC <= n; i += VEC) {
    vec p = vec_exp(vec_fma(vec_load(x + i), s, m));
    vec_store(x + i, p);
    sum = vec_add(sum, p);
  }
  if (i < n) {
    vec p = vec_keep(vec_exp(vec_fma(vec_load_part(x + i, n - i), s, m)), n - i);
    vec_store_part(x + i, p, n - i);
    sum = vec_add(sum, p);
  }
  return vec_sum(sum);
}

/* ---- weighted sums of rows */

/* Columns [at, at + vecs * VEC); of a single vector, the first `left` ones. */
static inline __attribute__((always_inline)) void rows_block(size_t vecs, float *y,
                                                             const float *const *rows,
                                                             const float *w, size_t n_rows,
                                                             size_t at, size_t left) {
  vec sum[4];
  GM_UNROLL
  for (size_t j = 0; j < vecs; j++) sum[j] = vec_set(0);
  for (size_t r = 0; r < n_rows; r++) {
    vec weight = vec_set(w[r]);
    GM_UNROLL
    for (size_t j = 0; j < vecs; j++)
      sum[j] = vec_fma(weight, load_left(rows[r] + at + j * VEC, left), sum[j]);
  }
  GM_UNROLL
  for (size_t j = 0; j < vecs; j++) store_left(y + at + j * VEC, sum[j], left);
}

static void weighted_rows_vec(float *y, const float *const *rows, const float *w, size_t n_rows,
                              size_t n) {
  size_t i = 0;
  for (; i + 4 * VEC <= n; i += 4 * VEC) rows_block(4, y, rows, w, n_rows, i, VEC);
  for (; i + 2 * VEC <= n; i += 2 * VEC) rows_block(2, y, rows, w, n_rows, i, VEC);
  for (; i + VEC <= n; i += VEC) rows_block(1, y, rows, w, n_rows, i, VEC);
  if (i < n) rows_block(1, y, rows, w, n_rows, i, n - i);
}

#include "deform_vec.h" /* uses weighted_rows_vec */

/* ---- half precision, rotary positions */

static void widen_f16_vec(float *y, const void *x, size_t n) {
  const uint16_t *from = x;
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) vec_store(y + i, vec_load_half(from + i));
  if (i < n) vec_store_part(y + i, vec_load_half_part(from + i, n - i), n - i);
}

static void narrow_f16_vec(void *y, const float *x, size_t n) {
  uint16_t *to = y;
  for (size_t i = 0; i < n; i += VEC) {
    size_t left = n - i < VEC ? n - i : VEC;
    vec_store_half_part(to + i, vec_load_part(x + i, left), left);
  }
}

static void rotate_vec(float *x, const float *cos, const float *sin, size_t half) {
  for (size_t i = 0; i < half; i += VEC) {
    size_t left = half - i < VEC ? half - i : VEC;
    vec a = vec_load_part(x + i, left), b = vec_load_part(x + half + i, left);
    vec c = vec_load_part(cos + i, left), s = vec_load_part(sin + i, left);
    vec_store_part(x + i, vec_sub(vec_mul(a, c), vec_mul(b, s)), left);
    vec_store_part(x + half + i, vec_fma(b, c, vec_mul(a, s)), left);
  }
}

enum { STRIPS_AHEAD = 12 }; /* rows that are asked for before they are cut */

/* One row's part of a strip of `vecs` vectors, of which `rest` floats are to be written from
 * this row on. Whole vectors may reach into the next rows, which are written after it. */
static inline __attribute__((always_inline)) void
strip_row(size_t vecs, float *y, size_t width, const float *x, size_t n, size_t rest) {
  for (size_t i = 0; i < vecs; i++) {
    size_t at = i * VEC, left = at < n ? n - at : 0;
    vec v = left >= VEC ? vec_load(x + at) : left ? vec_load_part(x + at, left) : vec_set(0);
    if (at + VEC > rest)
      vec_store_part(y + at, v, width - at);
    else
      vec_store(y + at, v);
  }
}

static inline __attribute__((always_inline)) void strips_of(size_t vecs, float *y,
                                                            size_t y_step, size_t width,
                                                            const float *x, size_t ldx,
                                                            size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++, x += ldx, y += width) {
    size_t c = 0, s = 0;
    for (; c + width <= n; c += width, s++) {
      __builtin_prefetch(x + STRIPS_AHEAD * ldx + c);
      if (vecs > 1) __builtin_prefetch(x + STRIPS_AHEAD * ldx + c + VEC);
      strip_row(vecs, y + s * y_step, width, x + c, width, (rows - r) * width);
    }
    if (c < n) strip_row(vecs, y + s * y_step, width, x + c, n - c, (rows - r) * width);
  }
}

static void strips_vec(float *y, size_t y_step, size_t width, const float *x, size_t ldx,
                       size_t rows, size_t n) {
  if (width == 2 * VEC)
    strips_of(2, y, y_step, 2 * VEC, x, ldx, rows, n);
  else if (width <= VEC)
    strips_of(1, y, y_step, width, x, ldx, rows, n);
  else
    strips_of((width + VEC - 1) / VEC, y, y_step, width, x, ldx, rows, n);
}

static void use_vec(gm_row_kernels *k) {
  k->add = add_vec;
  k->silu_mul = silu_mul_vec;
  k->layer_norm = layer_norm_vec;
  k->rms_norm = rms_norm_vec;
  k->column_stats = column_stats_vec;
  k->scale_shift = scale_shift_vec;
  k->softmax_step = softmax_step_vec;
  k->scale = scale_vec;
  k->weighted_rows = weighted_rows_vec;
  k->deform = deform_vec;
  k->tile_product = tile_product_vec;
  k->strips = strips_vec;
  k->kv[GM_TYPE_F32].dots = dots_f32_vec;
  k->kv[GM_TYPE_F16].dots = dots_f16_vec;
  k->kv[GM_TYPE_F32].mix = mix_f32_vec;
  k->kv[GM_TYPE_F16].mix = mix_f16_vec;
  k->kv[GM_TYPE_Q8_0].dots = dots_q8_0_vec;
  k->kv[GM_TYPE_Q8_0].mix = mix_q8_0_vec;
  k->kv[GM_TYPE_Q8_0].widen = widen_q8_0_vec;
  k->kv[GM_TYPE_Q8_0].narrow = narrow_q8_0_vec;
  k->kv[GM_TYPE_F16].widen = widen_f16_vec;
  k->kv[GM_TYPE_F16].narrow = narrow_f16_vec;
  k->rotate = rotate_vec;
  k->winograd_input = winograd_input_vec;
  k->winograd_weight = winograd_weight_vec;
  k->winograd_output = winograd_output_vec;
  k->winograd_output_back = winograd_output_back_vec;
  k->winograd_weight_back = winograd_weight_back_vec;
}

#endif
