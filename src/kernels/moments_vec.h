/* moments_vec.h - sums over a row that norms and their backward passes share, on the operations
 * of vec_math.h. */
#ifndef GM_MOMENTS_VEC_H
#define GM_MOMENTS_VEC_H

#include "vec_math.h"

#include <assert.h>
#include <math.h>

/* Sum of (x - mean)^power, power 1 or 2, in four chains of sums. */
static inline float moment(const float *x, size_t n, float mean, int power) {
  vec sum[4] = {vec_set(0), vec_set(0), vec_set(0), vec_set(0)};
  const vec m = vec_set(mean);
  size_t i = 0;
  for (; i + 4 * VEC <= n; i += 4 * VEC) {
    for (size_t j = 0; j < 4; j++) {
      vec d = vec_sub(vec_load(x + i + j * VEC), m);
      sum[j] = power == 1 ? vec_add(sum[j], d) : vec_fma(d, d, sum[j]);
    }
  }
  for (size_t j = 0; i < n; i += VEC, j++) {
    size_t left = n - i < VEC ? n - i : VEC;
    vec d = left == VEC ? vec_sub(vec_load(x + i), m)
                        : vec_keep(vec_sub(vec_load_part(x + i, left), m), left);
    sum[j] = power == 1 ? vec_add(sum[j], d) : vec_fma(d, d, sum[j]);
    if (left < VEC) break;
  }
  return vec_sum(vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
}

/* In two rounds: the second finds what the first lost by rounding. n >= 1. */
static inline float mean_of(const float *x, size_t n) {
  float count = (float)n, mean = moment(x, n, 0, 1) / count;
  return mean + moment(x, n, mean, 1) / count;
}

/* 1 / sqrt(mean of (x - mean)^2 + eps); n >= 1. */
static inline float inverse_of(const float *x, size_t n, float mean, float eps) {
  return 1 / sqrtf(moment(x, n, mean, 2) / (float)n + eps);
}

#endif
