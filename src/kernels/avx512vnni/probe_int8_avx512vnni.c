/* probe_int8_avx512vnni.c - see probe_kernels.h: vpdpbusd, four products a lane. */
#include "avx512vnni/kernels_avx512vnni.h"

#include <immintrin.h>

enum { CHAINS = 12 };

typedef __m512i sum;
typedef __m512i factor;

static inline sum chain(int k) {
  return _mm512_set1_epi32(k);
}

static inline sum step(sum a, factor x, factor *y) {
  return _mm512_dpbusd_epi32(a, x, *y);
}

static inline sum join(sum a, sum b) {
  return _mm512_add_epi32(a, b);
}

#include "probe_vec.h"

uint64_t gm_probe_int8_avx512vnni(size_t n, int32_t *sink) {
  factor x = _mm512_set1_epi8(3), y = _mm512_set1_epi8((char)(*sink & 7));
  *sink ^= _mm_cvtsi128_si32(_mm512_castsi512_si128(probe_chains(n, x, y)));
  return (uint64_t)n * CHAINS * 64 * 2;
}
