/* probe_avx512.c - see probe_kernels.h. */
#include "avx512/kernels_avx512.h"

#include <immintrin.h>

enum { CHAINS = 20 };

uint64_t gm_probe_fp32_avx512(size_t n, float *sink) {
  __m512 acc[CHAINS], x = _mm512_set1_ps(0.999F + *sink * 1e-9F), y = _mm512_set1_ps(0.5F);
#pragma GCC unroll 20
  for (int k = 0; k < CHAINS; k++) acc[k] = _mm512_set1_ps((float)k);
  for (size_t i = 0; i < n; i++)
#pragma GCC unroll 20
    for (int k = 0; k < CHAINS; k++) acc[k] = _mm512_fmadd_ps(acc[k], x, y);
#pragma GCC unroll 20 /* else the chains live in memory */
  for (int k = 1; k < CHAINS; k++) acc[0] = _mm512_add_ps(acc[0], acc[k]);
  *sink += _mm512_cvtss_f32(acc[0]);
  return (uint64_t)n * CHAINS * 16 * 2;
}
