/* float_loads_avx2.h - weights in f32, f16 and bf16 read as eight floats. Static: this header
 * is compiled with AVX2 flags. */
#ifndef GM_FLOAT_LOADS_AVX2_H
#define GM_FLOAT_LOADS_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* The first n <= 8 lanes. */
static inline __m256i first_lanes(size_t n) {
  static const int32_t masks[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
  return _mm256_loadu_si256((const __m256i *)(const void *)(masks + 8 - n));
}

/* The first n <= 8 elements at p as f32; the others are zero, and their memory is not read. */
typedef __m256 (*load_fn)(const void *p, size_t n);

static inline __m256 load_f32(const void *p, size_t n) {
  if (n == 8) return _mm256_loadu_ps(p);
  return _mm256_maskload_ps(p, first_lanes(n));
}

static inline __m128i load_half(const void *p, size_t n) {
  if (n == 8) return _mm_loadu_si128(p);
  uint16_t part[8] = {0};
  for (size_t i = 0; i < n; i++) part[i] = ((const uint16_t *)p)[i];
  return _mm_loadu_si128((const __m128i *)(const void *)part);
}

static inline __m256 load_f16(const void *p, size_t n) {
  return _mm256_cvtph_ps(load_half(p, n));
}

static inline __m256 load_bf16(const void *p, size_t n) {
  __m256i wide = _mm256_cvtepu16_epi32(load_half(p, n));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

#endif
