/* top_avx512.h - the largest magnitude of floats, NaN if one of them is: found as bits, among
 * which NaN's are the largest. Static. */
#ifndef GM_TOP_AVX512_H
#define GM_TOP_AVX512_H

#include <immintrin.h>

/* The larger bits of top and of x's magnitudes. */
static inline __m512i gm_top_bits_avx512(__m512i top, __m512 x) {
  __m512i bits = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7FFFFFFF));
  return _mm512_max_epi32(top, bits);
}

static inline float gm_top_avx512(__m512i top) {
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(top))));
}

#endif
