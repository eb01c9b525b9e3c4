/* probe_avx512bf16.c - see probe_kernels.h: vdpbf16ps, two products a lane. */
#include "avx512bf16/kernels_avx512bf16.h"

#include <immintrin.h>

enum { CHAINS = 12 };

uint64_t gm_probe_bf16_avx512bf16(size_t n, float *sink) {
  __m512 acc[CHAINS];
  /* Pairs of 1.0 and 2^-7, so that sums stay finite whatever n is. */
  __m512bh x = (__m512bh)_mm512_set1_epi32(0x3C003F80);
  __m512bh y = (__m512bh)_mm512_castps_si512(_mm512_set1_ps(*sink * 0x1p-60f));
#pragma GCC unroll 12
  for (int k = 0; k < CHAINS; k++) acc[k] = _mm512_set1_ps((float)k);
  for (size_t i = 0; i < n; i++)
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++) acc[k] = _mm512_dpbf16_ps(acc[k], x, y);
#pragma GCC unroll 12 /* else the chains live in memory */
  for (int k = 1; k < CHAINS; k++) acc[0] = _mm512_add_ps(acc[0], acc[k]);
  *sink += _mm512_cvtss_f32(acc[0]);
  return (uint64_t)n * CHAINS * 32 * 2;
}
