/* probe_avx2.c - see probe_kernels.h: ten chains, enough to hide a multiply-add's latency.
 * 8-bit products are those of maddubs, madd and add. */
#include "avx2/kernels_avx2.h"
#include "avx2/transpose_avx2.h"

#include <immintrin.h>

enum { CHAINS = 10 };

static uint64_t fp32(size_t n, float *sink) {
  __m256 acc[CHAINS], x = _mm256_set1_ps(0.999F + *sink * 1e-9F), y = _mm256_set1_ps(0.5F);
#pragma GCC unroll 10
  for (int k = 0; k < CHAINS; k++) acc[k] = _mm256_set1_ps((float)k);
  for (size_t i = 0; i < n; i++)
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++) acc[k] = _mm256_fmadd_ps(acc[k], x, y);
#pragma GCC unroll 10 /* else the chains live in memory */
  for (int k = 1; k < CHAINS; k++) acc[0] = _mm256_add_ps(acc[0], acc[k]);
  *sink += _mm256_cvtss_f32(acc[0]);
  return (uint64_t)n * CHAINS * 8 * 2;
}

static uint64_t int8(size_t n, int32_t *sink) {
  __m256i acc[CHAINS], x = _mm256_set1_epi8(3), y = _mm256_set1_epi8((char)(*sink & 7));
  __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 10
  for (int k = 0; k < CHAINS; k++) acc[k] = _mm256_set1_epi32(k);
  for (size_t i = 0; i < n; i++) {
#pragma GCC unroll 10
    for (int k = 0; k < CHAINS; k++) {
      y = gm_keep_avx2(y); /* so that no product is taken for an earlier one */
      __m256i products = _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), ones);
      acc[k] = gm_keep_avx2(_mm256_add_epi32(acc[k], products));
    }
  }
#pragma GCC unroll 10 /* else the chains live in memory */
  for (int k = 1; k < CHAINS; k++) acc[0] = _mm256_add_epi32(acc[0], acc[k]);
  *sink ^= _mm256_extract_epi32(acc[0], 0);
  return (uint64_t)n * CHAINS * 32 * 2;
}

const gm_probe_kernels gm_probe_avx2 = {.fp32 = fp32, .int8 = int8};
