/* top_avx2.h - the largest magnitude of floats, found by their bits: read as integers,
 * magnitudes have the order of the floats, and NaN is above all of them. Static: this header is
 * compiled with AVX2 flags and nothing of it may be linked into other files. */
#ifndef GM_TOP_AVX2_H
#define GM_TOP_AVX2_H

#include <immintrin.h>

/* Lane by lane the larger of `top` and the magnitudes of x. */
static inline __m256i gm_top_bits_avx2(__m256i top, __m256 x) {
  __m256i bits = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7FFFFFFF));
  return _mm256_max_epi32(bits, top);
}

/* The largest of all lanes. */
static inline float gm_top_avx2(__m256i top) {
  __m128i t = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
  t = _mm_max_epi32(t, _mm_shuffle_epi32(t, 0x4E));
  t = _mm_max_epi32(t, _mm_shuffle_epi32(t, 0xB1));
  return _mm_cvtss_f32(_mm_castsi128_ps(t));
}

#endif
