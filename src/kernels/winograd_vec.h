/* winograd_vec.h - row_kernels.h in vectors: the transforms of Winograd's F(4x4, 3x3). Included
 * as rows_vec.h is. Each transform is done along one axis and then along the other, VEC
 * channels at a time; points of opposite sign share their even and odd parts. */
#ifndef GM_WINOGRAD_VEC_H
#define GM_WINOGRAD_VEC_H

#include "row_kernels.h"
#include "vec_math.h"
#include "winograd_points.h"

#include <math.h>

#define WINO_INLINE static inline __attribute__((always_inline))

/* y = B^T x for six values `step` apart. */
WINO_INLINE void input_axis(vec *y, const vec *x, size_t step) {
  const vec aa = vec_set(GM_WINO_AA), bb = vec_set(GM_WINO_BB), a = vec_set(GM_WINO_A);
  const vec b = vec_set(GM_WINO_B), all = vec_set(GM_WINO_AA * GM_WINO_BB);
  const vec sum = vec_set(-GM_WINO_AA - GM_WINO_BB);
  const vec x1 = x[step], x2 = x[2 * step], x3 = x[3 * step], x4 = x[4 * step];
  vec even = vec_fma(vec_sub(vec_set(0), bb), x2, x4);
  vec odd = vec_mul(a, vec_fma(vec_sub(vec_set(0), bb), x1, x3));
  y[0] = vec_fma(all, x[0], vec_fma(sum, x2, x4));
  y[step] = vec_add(even, odd);
  y[2 * step] = vec_sub(even, odd);
  even = vec_fma(vec_sub(vec_set(0), aa), x2, x4);
  odd = vec_mul(b, vec_fma(vec_sub(vec_set(0), aa), x1, x3));
  y[3 * step] = vec_add(even, odd);
  y[4 * step] = vec_sub(even, odd);
  y[5 * step] = vec_fma(all, x1, vec_fma(sum, x3, x[5 * step]));
}

/* y = G x for three values x_step apart. */
WINO_INLINE void weight_axis(vec *y, size_t y_step, const vec *x, size_t x_step) {
  const vec x0 = x[0], x1 = x[x_step], x2 = x[2 * x_step];
  vec even = vec_mul(vec_set(GM_WINO_GA), vec_fma(vec_set(GM_WINO_AA), x2, x0));
  vec odd = vec_mul(vec_set(GM_WINO_GA * GM_WINO_A), x1);
  y[0] = vec_mul(vec_set(GM_WINO_G0), x0);
  y[y_step] = vec_add(even, odd);
  y[2 * y_step] = vec_sub(even, odd);
  even = vec_mul(vec_set(GM_WINO_GB), vec_fma(vec_set(GM_WINO_BB), x2, x0));
  odd = vec_mul(vec_set(GM_WINO_GB * GM_WINO_B), x1);
  y[3 * y_step] = vec_add(even, odd);
  y[4 * y_step] = vec_sub(even, odd);
  y[5 * y_step] = x2;
}

/* y = A^T x for six values x_step apart. */
WINO_INLINE void output_axis(vec *y, size_t y_step, const vec *x, size_t x_step) {
  const vec even_a = vec_add(x[x_step], x[2 * x_step]);
  const vec odd_a = vec_sub(x[x_step], x[2 * x_step]);
  const vec even_b = vec_add(x[3 * x_step], x[4 * x_step]);
  const vec odd_b = vec_sub(x[3 * x_step], x[4 * x_step]);
  y[0] = vec_add(x[0], vec_add(even_a, even_b));
  y[y_step] = vec_fma(vec_set(GM_WINO_A), odd_a, vec_mul(vec_set(GM_WINO_B), odd_b));
  y[2 * y_step] = vec_fma(vec_set(GM_WINO_AA), even_a, vec_mul(vec_set(GM_WINO_BB), even_b));
  y[3 * y_step] = vec_fma(vec_set(GM_WINO_AA * GM_WINO_A), odd_a,
                          vec_fma(vec_set(GM_WINO_BB * GM_WINO_B), odd_b, x[5 * x_step]));
}

WINO_INLINE void input_lanes(float *v, size_t v_step, const float *const *x, size_t at,
                             size_t left) {
  vec in[6], t[36], out[6];
  for (size_t j = 0; j < 6; j++) { /* columns */
    for (size_t i = 0; i < 6; i++) in[i] = load_left(x[i * 6 + j] + at, left);
    input_axis(out, in, 1);
    for (size_t i = 0; i < 6; i++) t[i * 6 + j] = out[i];
  }
  for (size_t i = 0; i < 6; i++) { /* rows */
    input_axis(out, t + i * 6, 1);
    for (size_t j = 0; j < 6; j++) store_left(v + (i * 6 + j) * v_step + at, out[j], left);
  }
}

static void winograd_input_vec(float *v, size_t v_step, const float *const *x, size_t n) {
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) input_lanes(v, v_step, x, i, VEC);
  if (i < n) input_lanes(v, v_step, x, i, n - i);
}

WINO_INLINE void weight_lanes(float *u, size_t u_step, const float *const *w, size_t at,
                              size_t left) {
  vec in[9], t[18], out[6];
  for (size_t p = 0; p < 9; p++) in[p] = load_left(w[p] + at, left);
  for (size_t j = 0; j < 3; j++) weight_axis(t + j, 3, in + j, 3);
  for (size_t i = 0; i < 6; i++) {
    weight_axis(out, 1, t + i * 3, 1);
    for (size_t j = 0; j < 6; j++) store_left(u + (i * 6 + j) * u_step + at, out[j], left);
  }
}

static void winograd_weight_vec(float *u, size_t u_step, const float *const *w, size_t n) {
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) weight_lanes(u, u_step, w, i, VEC);
  if (i < n) weight_lanes(u, u_step, w, i, n - i);
}

typedef struct wino_finish {
  const float *bias;
  bool accumulate, relu;
} wino_finish;

WINO_INLINE void output_lanes(float *const *y, const float *m, size_t m_step,
                              wino_finish finish, size_t at, size_t left) {
  vec in[6], t[24], out[4];
  const vec least = vec_set(finish.relu ? 0 : -INFINITY);
  const vec bias = finish.bias ? load_left(finish.bias + at, left) : vec_set(0);
  for (size_t j = 0; j < 6; j++) {
    for (size_t i = 0; i < 6; i++) in[i] = load_left(m + (i * 6 + j) * m_step + at, left);
    output_axis(t + j, 6, in, 1);
  }
  for (size_t i = 0; i < 4; i++) {
    output_axis(out, 1, t + i * 6, 1);
    for (size_t j = 0; j < 4; j++) {
      float *to = y[i * 4 + j];
      if (!to) continue;
      vec sum = vec_add(out[j], bias);
      if (finish.accumulate) sum = vec_add(sum, load_left(to + at, left));
      store_left(to + at, vec_max(least, sum), left);
    }
  }
}

static void winograd_output_vec(float *const *y, const float *m, size_t m_step,
                                const float *bias, bool accumulate, bool relu, size_t n) {
  const wino_finish finish = {.bias = bias, .accumulate = accumulate, .relu = relu};
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) output_lanes(y, m, m_step, finish, i, VEC);
  if (i < n) output_lanes(y, m, m_step, finish, i, n - i);
}

/* y = A x for four values x_step apart: output_axis the other way. */
WINO_INLINE void output_axis_back(vec *y, size_t y_step, const vec *x, size_t x_step) {
  const vec x0 = x[0], x1 = x[x_step], x2 = x[2 * x_step], x3 = x[3 * x_step];
  vec even = vec_fma(vec_set(GM_WINO_AA), x2, x0);
  vec odd = vec_fma(vec_set(GM_WINO_AA * GM_WINO_A), x3, vec_mul(vec_set(GM_WINO_A), x1));
  y[0] = x0;
  y[y_step] = vec_add(even, odd);
  y[2 * y_step] = vec_sub(even, odd);
  even = vec_fma(vec_set(GM_WINO_BB), x2, x0);
  odd = vec_fma(vec_set(GM_WINO_BB * GM_WINO_B), x3, vec_mul(vec_set(GM_WINO_B), x1));
  y[3 * y_step] = vec_add(even, odd);
  y[4 * y_step] = vec_sub(even, odd);
  y[5 * y_step] = x3;
}

/* y = G^T x for six values x_step apart: weight_axis the other way. */
WINO_INLINE void weight_axis_back(vec *y, size_t y_step, const vec *x, size_t x_step) {
  const vec ga = vec_set(GM_WINO_GA), gb = vec_set(GM_WINO_GB);
  const vec sum_a = vec_mul(ga, vec_add(x[x_step], x[2 * x_step]));
  const vec odd_a = vec_mul(ga, vec_sub(x[x_step], x[2 * x_step]));
  const vec sum_b = vec_mul(gb, vec_add(x[3 * x_step], x[4 * x_step]));
  const vec odd_b = vec_mul(gb, vec_sub(x[3 * x_step], x[4 * x_step]));
  y[0] = vec_fma(vec_set(GM_WINO_G0), x[0], vec_add(sum_a, sum_b));
  y[y_step] = vec_fma(vec_set(GM_WINO_A), odd_a, vec_mul(vec_set(GM_WINO_B), odd_b));
  y[2 * y_step] =
      vec_fma(vec_set(GM_WINO_AA), sum_a, vec_fma(vec_set(GM_WINO_BB), sum_b, x[5 * x_step]));
}

WINO_INLINE void output_back_lanes(float *m, size_t m_step, const float *const *y, size_t at,
                                   size_t left) {
  vec in[4], t[24], out[6];
  for (size_t j = 0; j < 4; j++) {
    for (size_t i = 0; i < 4; i++)
      in[i] = y[i * 4 + j] ? load_left(y[i * 4 + j] + at, left) : vec_set(0);
    output_axis_back(t + j, 4, in, 1);
  }
  for (size_t i = 0; i < 6; i++) {
    output_axis_back(out, 1, t + i * 4, 1);
    for (size_t j = 0; j < 6; j++) store_left(m + (i * 6 + j) * m_step + at, out[j], left);
  }
}

static void winograd_output_back_vec(float *m, size_t m_step, const float *const *y, size_t n) {
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) output_back_lanes(m, m_step, y, i, VEC);
  if (i < n) output_back_lanes(m, m_step, y, i, n - i);
}

WINO_INLINE void weight_back_lanes(float *const *w, const float *u, size_t u_step, size_t at,
                                   size_t left) {
  vec in[6], t[18], out[3];
  for (size_t j = 0; j < 6; j++) {
    for (size_t i = 0; i < 6; i++) in[i] = load_left(u + (i * 6 + j) * u_step + at, left);
    weight_axis_back(t + j, 6, in, 1);
  }
  for (size_t i = 0; i < 3; i++) {
    weight_axis_back(out, 1, t + i * 6, 1);
    for (size_t j = 0; j < 3; j++) {
      float *to = w[i * 3 + j] + at;
      store_left(to, vec_add(out[j], load_left(to, left)), left);
    }
  }
}

static void winograd_weight_back_vec(float *const *w, const float *u, size_t u_step, size_t n) {
  size_t i = 0;
  for (; i + VEC <= n; i += VEC) weight_back_lanes(w, u, u_step, i, VEC);
  if (i < n) weight_back_lanes(w, u, u_step, i, n - i);
}

#endif
