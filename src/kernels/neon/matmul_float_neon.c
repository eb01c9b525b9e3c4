/* matmul_float_neon.c - NEON: products with weights in f32, f16 and bf16, computed in f32 in
 * tiles of 8 x 12: 24 sums, three vectors of the panel and two of activations, whose lanes are
 * multiplied one by one, fill 29 of the 32 registers. */
#include "neon/kernels_neon.h"
#include "ref/kernels_ref.h"

#include <arm_neon.h>
#include <assert.h>
#include <string.h>

enum { MR = 8, NR = 12 };

/* How weights of one type are read as f32: four at p, or one. */
typedef struct load_fn {
  float32x4_t (*four)(const char *p);
  float (*one)(const char *p);
} load_fn;

static inline float32x4_t four_f32(const char *p) {
  return vld1q_f32((const float *)(const void *)p);
}

static inline float one_f32(const char *p) {
  return *(const float *)(const void *)p;
}

static inline float32x4_t four_f16(const char *p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)(const void *)p)));
}

static inline float one_f16(const char *p) {
  return gm_f16_to_f32(*(const uint16_t *)(const void *)p);
}

static inline float32x4_t four_bf16(const char *p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)(const void *)p), 16));
}

static inline float one_bf16(const char *p) {
  return gm_bf16_to_f32(*(const uint16_t *)(const void *)p);
}

static const load_fn load_f32 = {.four = four_f32, .one = one_f32};
static const load_fn load_f16 = {.four = four_f16, .one = one_f16};
static const load_fn load_bf16 = {.four = four_bf16, .one = one_bf16};

static inline __attribute__((always_inline)) void interleave(float *dst, size_t stride,
                                                             const char *src, size_t row_bytes,
                                                             size_t element, size_t rows,
                                                             size_t k, load_fn load) {
  for (size_t j = 0; j < stride; j++) {
    const char *row = src + j * row_bytes;
    size_t i = 0;
    for (; i + 4 <= k; i += 4) {
      float32x4_t v = j < rows ? load.four(row + i * element) : vdupq_n_f32(0);
      vst1q_lane_f32(dst + i * stride + j, v, 0);
      vst1q_lane_f32(dst + (i + 1) * stride + j, v, 1);
      vst1q_lane_f32(dst + (i + 2) * stride + j, v, 2);
      vst1q_lane_f32(dst + (i + 3) * stride + j, v, 3);
    }
    for (; i < k; i++) dst[i * stride + j] = j < rows ? load.one(row + i * element) : 0.0f;
  }
}

static inline __attribute__((always_inline)) void pack_w(float *panel, const char *w,
                                                         size_t row_bytes, size_t element,
                                                         size_t rows, size_t k, load_fn load) {
  assert(rows <= NR);
  interleave(panel, NR, w, row_bytes, element, rows, k, load);
}

static void pack_x(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k) {
  if (group == 1)
    memcpy(dst, x, k * sizeof(float));
  else
    interleave(dst, group, (const char *)x, ldx * sizeof(float), 4, rows, k, load_f32);
}

/* One step of four rows, whose activations are the lanes of v. */
static inline void step(float32x4_t sum[4][3], float32x4_t v, const float32x4_t b[3]) {
#pragma GCC unroll 3
  for (size_t j = 0; j < 3; j++) {
    sum[0][j] = vfmaq_laneq_f32(sum[0][j], b[j], v, 0);
    sum[1][j] = vfmaq_laneq_f32(sum[1][j], b[j], v, 1);
    sum[2][j] = vfmaq_laneq_f32(sum[2][j], b[j], v, 2);
    sum[3][j] = vfmaq_laneq_f32(sum[3][j], b[j], v, 3);
  }
}

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const float *a = x, *b = panel;
  float32x4_t sum[MR][3];
#pragma GCC unroll 24
  for (size_t i = 0; i < 3 * MR; i++)
    sum[i / 3][i % 3] = first ? vdupq_n_f32(0) : vld1q_f32(acc + 4 * i);
  for (size_t i = 0; i < k; i++, a += MR, b += NR) {
    float32x4_t w[3] = {vld1q_f32(b), vld1q_f32(b + 4), vld1q_f32(b + 8)};
    step(sum, vld1q_f32(a), w);
    step(sum + 4, vld1q_f32(a + 4), w);
  }
#pragma GCC unroll 24
  for (size_t i = 0; i < 3 * MR; i++) vst1q_f32(acc + 4 * i, sum[i / 3][i % 3]);
}

/* y of J rows of w with one row of x; the result does not depend on J. */
static inline __attribute__((always_inline)) void gemv_block(size_t J, float *y, const float *x,
                                                             const char *w, size_t row_bytes,
                                                             size_t element, size_t k,
                                                             load_fn load) {
  float32x4_t sum[4][2];
#pragma GCC unroll 4
  for (size_t j = 0; j < J; j++) sum[j][0] = sum[j][1] = vdupq_n_f32(0);
  size_t i = 0;
  for (; i + 8 <= k; i += 8) {
    float32x4_t v0 = vld1q_f32(x + i), v1 = vld1q_f32(x + i + 4);
#pragma GCC unroll 4
    for (size_t j = 0; j < J; j++) {
      const char *row = w + j * row_bytes + i * element;
      sum[j][0] = vfmaq_f32(sum[j][0], v0, load.four(row));
      sum[j][1] = vfmaq_f32(sum[j][1], v1, load.four(row + 4 * element));
    }
  }
#pragma GCC unroll 4
  for (size_t j = 0; j < J; j++) {
    float rest = 0;
    for (size_t t = i; t < k; t++) rest += x[t] * load.one(w + j * row_bytes + t * element);
    y[j] = vaddvq_f32(vaddq_f32(sum[j][0], sum[j][1])) + rest;
  }
}

static inline __attribute__((always_inline)) void gemv(float *y, size_t ldy, const float *x,
                                                       size_t m, const char *w,
                                                       size_t row_bytes, size_t element,
                                                       size_t n, size_t k, load_fn load) {
  assert(m <= GM_GEMV_ROWS);
  size_t j = 0;
  for (; j + 4 <= n; j += 4)
    for (size_t r = 0; r < m; r++)
      gemv_block(4, y + r * ldy + j, x + r * k, w + j * row_bytes, row_bytes, element, k, load);
  for (; j < n; j++)
    for (size_t r = 0; r < m; r++)
      gemv_block(1, y + r * ldy + j, x + r * k, w + j * row_bytes, row_bytes, element, k, load);
}

#include "matmul_float_types.h"

const gm_matmul gm_matmul_f32_neon = FLOAT_PRODUCT(pack_w_f32, gemv_f32);
const gm_matmul gm_matmul_f16_neon = FLOAT_PRODUCT(pack_w_f16, gemv_f16);
const gm_matmul gm_matmul_bf16_neon = FLOAT_PRODUCT(pack_w_bf16, gemv_bf16);
