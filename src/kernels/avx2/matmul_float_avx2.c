/* matmul_float_avx2.c - AVX2 and FMA: products with weights in f32, f16 and bf16, computed in
 * f32 in tiles of 6 x 16: twelve sums, two vectors of the panel and one broadcast activation
 * fill 15 of the 16 registers. */
#include "avx2/float_loads_avx2.h"
#include "avx2/kernels_avx2.h"
#include "avx2/transpose_avx2.h"
#include "ref/kernels_ref.h"

#include <string.h>

enum { MR = 6, NR = 16 };

/* Writes `rows` <= 8 rows of k elements as columns: dst[i * stride + row], 8 at a time. Where
 * the stride is below 8, a store runs over into the next one's place, which is then
 * overwritten; the last are masked. */
static inline __attribute__((always_inline)) void interleave(float *dst, size_t stride,
                                                             const char *src, size_t row_bytes,
                                                             size_t element, size_t rows,
                                                             size_t k, gm_load_avx2 load) {
  for (size_t i = 0; i < k; i += 8) {
    size_t n = k - i < 8 ? k - i : 8;
    __m256 r[8];
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; j++)
      r[j] = j < rows ? load(src + j * row_bytes + i * element, n) : _mm256_setzero_ps();
    gm_transpose8_avx2(r);
    float *out = dst + i * stride;
    if (k - i > 8) {
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; j++) _mm256_storeu_ps(out + j * stride, r[j]);
    } else {
      __m256i mask = gm_lanes_avx2(stride < 8 ? stride : 8);
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; j++)
        if (j < n) _mm256_maskstore_ps(out + j * stride, mask, r[j]);
    }
  }
}

static inline __attribute__((always_inline)) void pack_w(float *panel, const char *w,
                                                         size_t row_bytes, size_t element,
                                                         size_t rows, size_t k,
                                                         gm_load_avx2 load) {
  size_t low = rows < 8 ? rows : 8;
  interleave(panel, NR, w, row_bytes, element, low, k, load);
  interleave(panel + 8, NR, w + 8 * row_bytes, row_bytes, element, rows - low, k, load);
}

static void pack_w_f32(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, 4, rows, k, gm_load_f32_avx2);
}

static void pack_w_f16(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, 2, rows, k, gm_load_f16_avx2);
}

static void pack_w_bf16(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, 2, rows, k, gm_load_bf16_avx2);
}

static void pack_x(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k) {
  if (group == 1)
    memcpy(dst, x, k * sizeof(float));
  else if (group == MR)
    interleave(dst, MR, (const char *)x, ldx * sizeof(float), 4, rows, k, gm_load_f32_avx2);
  else
    gm_pack_x_f32_ref(dst, x, ldx, rows, group, k);
}

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const float *a = x, *b = panel;
  __m256 sum[MR][2];
#pragma GCC unroll 6
  for (size_t r = 0; r < MR; r++) {
    sum[r][0] = first ? _mm256_setzero_ps() : _mm256_loadu_ps(acc + r * NR);
    sum[r][1] = first ? _mm256_setzero_ps() : _mm256_loadu_ps(acc + r * NR + 8);
  }
  for (size_t i = 0; i < k; i++, a += MR, b += NR) {
    __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
    for (size_t r = 0; r < MR; r++) {
      __m256 v = _mm256_broadcast_ss(a + r);
      sum[r][0] = _mm256_fmadd_ps(v, b0, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(v, b1, sum[r][1]);
    }
  }
#pragma GCC unroll 6
  for (size_t r = 0; r < MR; r++) {
    _mm256_storeu_ps(acc + r * NR, sum[r][0]);
    _mm256_storeu_ps(acc + r * NR + 8, sum[r][1]);
  }
}

/* y of J rows of w with R rows of x; each is one chain over k in steps of 8, so the numbers J
 * and R do not show in the result. */
static inline __attribute__((always_inline)) void
gemv_block(size_t J, size_t R, float *y, size_t ldy, const float *x, const char *w,
           size_t row_bytes, size_t element, size_t k, gm_load_avx2 load) {
  __m256 sum[8][4];
#pragma GCC unroll 8
  for (size_t j = 0; j < J; j++)
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) sum[j][r] = _mm256_setzero_ps();
  for (size_t i = 0; i < k; i += 8) {
    size_t n = k - i < 8 ? k - i : 8;
    __m256 v[4];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) v[r] = gm_load_f32_avx2(x + r * k + i, n);
#pragma GCC unroll 8
    for (size_t j = 0; j < J; j++) {
      __m256 weights = load(w + j * row_bytes + i * element, n);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; r++) sum[j][r] = _mm256_fmadd_ps(v[r], weights, sum[j][r]);
    }
  }
#pragma GCC unroll 8
  for (size_t j = 0; j < J; j++)
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) y[r * ldy + j] = gm_sum8_avx2(sum[j][r]);
}

/* R rows of x: at most 8 sums. */
static inline __attribute__((always_inline)) void
gemv_rows(size_t R, float *y, size_t ldy, const float *x, const char *w, size_t row_bytes,
          size_t element, size_t n, size_t k, gm_load_avx2 load) {
  size_t j = 0, step = 8 / R;
  for (; j + step <= n; j += step)
    gemv_block(step, R, y + j, ldy, x, w + j * row_bytes, row_bytes, element, k, load);
  for (; j < n; j++)
    gemv_block(1, R, y + j, ldy, x, w + j * row_bytes, row_bytes, element, k, load);
}

static inline __attribute__((always_inline)) void gemv(float *y, size_t ldy, const float *x,
                                                       size_t m, const char *w,
                                                       size_t row_bytes, size_t element,
                                                       size_t n, size_t k, gm_load_avx2 load) {
  for (; m >= 4; m -= 4, x += 4 * k, y += 4 * ldy)
    gemv_rows(4, y, ldy, x, w, row_bytes, element, n, k, load);
  if (m >= 2) {
    gemv_rows(2, y, ldy, x, w, row_bytes, element, n, k, load);
    m -= 2, x += 2 * k, y += 2 * ldy;
  }
  if (m == 1) gemv_rows(1, y, ldy, x, w, row_bytes, element, n, k, load);
}

static void gemv_f32(float *y, size_t ldy, const void *x, size_t m, const void *w,
                     size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, 4, n, k, gm_load_f32_avx2);
}

static void gemv_f16(float *y, size_t ldy, const void *x, size_t m, const void *w,
                     size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, 2, n, k, gm_load_f16_avx2);
}

static void gemv_bf16(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, 2, n, k, gm_load_bf16_avx2);
}

const gm_matmul gm_matmul_f32_avx2 = {
    MR, NR, 1, 1, 4, 4, pack_x, pack_w_f32, tile, gemv_f32, GM_TILE_AS_ROWS, 4, NULL};
const gm_matmul gm_matmul_f16_avx2 = {
    MR, NR, 1, 1, 4, 4, pack_x, pack_w_f16, tile, gemv_f16, GM_TILE_AS_ROWS, 4, NULL};
const gm_matmul gm_matmul_bf16_avx2 = {
    MR, NR, 1, 1, 4, 4, pack_x, pack_w_bf16, tile, gemv_bf16, GM_TILE_AS_ROWS, 4, NULL};
