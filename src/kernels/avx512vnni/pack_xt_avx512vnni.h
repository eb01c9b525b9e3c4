/* pack_xt_avx512vnni.h - rows of activations as bytes with one scale in 256 elements
 * (GM_TILE_BYTES and GM_TILE_LINES of activations.h). Static. */
#ifndef GM_PACK_XT_AVX512VNNI_H
#define GM_PACK_XT_AVX512VNNI_H

#include "activations.h"
#include "avx512/top_avx512.h"

#include <immintrin.h>

/* The largest magnitude of `blocks` times 32 values; NaN if one of them is. */
static inline float gm_top_of_avx512vnni(const float *x, size_t blocks) {
  __m512i low = _mm512_setzero_si512(), high = low;
  for (size_t b = 0; b < blocks; b++) {
    low = gm_top_bits_avx512(low, _mm512_loadu_ps(x + b * 32));
    high = gm_top_bits_avx512(high, _mm512_loadu_ps(x + b * 32 + 16));
  }
  return gm_top_avx512(_mm512_max_epi32(low, high));
}

/* 32 values as bytes; NaN becomes -127. */
static inline __m256i gm_round32_avx512vnni(const float *x, __m512 inverse) {
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  __m512i low = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), inverse));
  __m512i high = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16), inverse));
  __m512i words = _mm512_permutexvar_epi64(order, _mm512_packs_epi32(low, high));
  return _mm256_max_epi8(_mm512_cvtsepi16_epi8(words), _mm256_set1_epi8(-127));
}

/* One row of a chunk, for row r of `group`; `beside` blocks of 32 of a row lie side by side. */
static inline __attribute__((always_inline)) void
gm_pack_xt_row_avx512vnni(unsigned char *chunk, const float *x, size_t blocks, size_t r,
                          size_t group, size_t beside) {
  float top = gm_top_of_avx512vnni(x, blocks);
  __m512 inverse = _mm512_set1_ps(gm_x_inverse(top, 127));
  __m256i sum = _mm256_setzero_si256();
  for (size_t b = 0; b < blocks; b++) {
    __m256i q = gm_round32_avx512vnni(x + b * 32, inverse);
    unsigned char *to = chunk + (b / beside * group + r) * beside * 32 + b % beside * 32;
    _mm256_storeu_si256((void *)to, q);
    sum = _mm256_dpbusd_epi32(sum, _mm256_set1_epi8((char)128), q);
  }
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
  ((float *)(void *)(chunk + 256 * group))[r] = gm_x_step(top, 127);
  ((int32_t *)(void *)(chunk + 260 * group))[r] = -_mm_cvtsi128_si32(four);
}

#endif
