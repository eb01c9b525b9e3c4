/* probe_avx512vnni.c - see probe_kernels.h: vpdpbusd, four products a lane. */
#include "avx512vnni/kernels_avx512vnni.h"

#include <immintrin.h>

enum { CHAINS = 12 };

uint64_t gm_probe_int8_avx512vnni(size_t n, int32_t *sink) {
  __m512i acc[CHAINS], x = _mm512_set1_epi8(3), y = _mm512_set1_epi8((char)(*sink & 7));
#pragma GCC unroll 12
  for (int k = 0; k < CHAINS; k++) acc[k] = _mm512_set1_epi32(k);
  for (size_t i = 0; i < n; i++)
#pragma GCC unroll 12
    for (int k = 0; k < CHAINS; k++) acc[k] = _mm512_dpbusd_epi32(acc[k], x, y);
#pragma GCC unroll 12 /* else the chains live in memory */
  for (int k = 1; k < CHAINS; k++) acc[0] = _mm512_add_epi32(acc[0], acc[k]);
  *sink ^= _mm_cvtsi128_si32(_mm512_castsi512_si128(acc[0]));
  return (uint64_t)n * CHAINS * 64 * 2;
}
