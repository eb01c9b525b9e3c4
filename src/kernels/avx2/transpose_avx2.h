/* transpose_avx2.h - transposes 8 x 8 numbers of 32 bits in registers, and sums over lanes.
 * Static: this header is compiled with AVX2 flags and nothing of it may be linked into other
 * files. */
#ifndef GM_TRANSPOSE_AVX2_H
#define GM_TRANSPOSE_AVX2_H

#include <immintrin.h>
#include <stddef.h>

static inline void gm_transpose8_avx2(__m256 r[8]) {
  __m256 t[8];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; i++) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (size_t i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; i++) {
    t[i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x20);
    t[4 + i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x31);
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; i++) r[i] = t[i];
}

/* v, which must be computed here. Without this, gcc 12 multiplies a block's bytes first, adds
 * them up as a tree at the end, and spills what does not fit in 16 registers (Q4_K 160 -> 215
 * GOP/s). */
static inline __m256i gm_keep_avx2(__m256i v) {
  __asm__("" : "+x"(v));
  return v;
}

/* Sums over the lanes, in a fixed order. */
static inline float gm_sum8_avx2(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

static inline int gm_sum8_epi32_avx2(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

#endif
