/* matmul_float_avx2.c - AVX2 and FMA: products with weights in f32, f16 and bf16, computed in
 * f32 in tiles of 6 x 16: twelve sums, two vectors of the panel and one broadcast activation
 * fill 15 of the 16 registers. */
#include "avx2/float_loads_avx2.h"
#include "avx2/kernels_avx2.h"
#include "avx2/transpose_avx2.h"

enum { MR = 6, NR = 16 };

/* Writes `rows` <= 8 rows of k elements as columns: dst[i * stride + row], 8 at a time. Where
 * the stride is below 8, a store also writes into the place of the next one, which then
 * overwrites it; the last stores are masked. */
static inline __attribute__((always_inline)) void interleave(float *dst, size_t stride,
                                                             const char *src, size_t row_bytes,
                                                             size_t element, size_t rows,
                                                             size_t k, load_fn load) {
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
      __m256i mask = first_lanes(stride < 8 ? stride : 8);
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; j++)
        if (j < n) _mm256_maskstore_ps(out + j * stride, mask, r[j]);
    }
  }
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

/* y of J rows of w with R rows of x; each is one chain over k in steps of 8, so the result
 * depends on neither J nor R. */
static inline __attribute__((always_inline)) void
gemv_block(size_t J, size_t R, float *y, size_t ldy, const float *x, const char *w,
           size_t row_bytes, size_t element, size_t k, load_fn load) {
  __m256 sum[8][4];
#pragma GCC unroll 8
  for (size_t j = 0; j < J; j++)
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) sum[j][r] = _mm256_setzero_ps();
  for (size_t i = 0; i < k; i += 8) {
    size_t n = k - i < 8 ? k - i : 8;
    __m256 v[4];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) v[r] = load_f32(x + r * k + i, n);
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

/* At most 8 sums. */
static inline size_t gemv_columns(size_t R) {
  return 8 / R;
}

#include "matmul_float_vec.h"

const gm_matmul gm_matmul_f32_avx2 = FLOAT_PRODUCT(pack_w_f32, gemv_f32);
const gm_matmul gm_matmul_f16_avx2 = FLOAT_PRODUCT(pack_w_f16, gemv_f16);
const gm_matmul gm_matmul_bf16_avx2 = FLOAT_PRODUCT(pack_w_bf16, gemv_bf16);
