/* probe_bf16_avx512bf16.c - see probe_kernels.h: vdpbf16ps, two products a lane. */
#include "avx512bf16/kernels_avx512bf16.h"

#include <immintrin.h>

enum { CHAINS = 12 };

typedef __m512 sum;
typedef __m512bh factor;

static inline sum chain(int k) {
  return _mm512_set1_ps((float)k);
}

static inline sum step(sum a, factor x, factor *y) {
  return _mm512_dpbf16_ps(a, x, *y);
}

static inline sum join(sum a, sum b) {
  return _mm512_add_ps(a, b);
}

#include "probe_vec.h"

uint64_t gm_probe_bf16_avx512bf16(size_t n, float *sink) {
  /* Pairs of 1.0 and 2^-7, so that sums stay finite whatever n is. */
  factor x = (__m512bh)_mm512_set1_epi32(0x3C003F80);
  factor y = (__m512bh)_mm512_castps_si512(_mm512_set1_ps(*sink * 0x1p-60f));
  *sink += _mm512_cvtss_f32(probe_chains(n, x, y));
  return (uint64_t)n * CHAINS * 32 * 2;
}
