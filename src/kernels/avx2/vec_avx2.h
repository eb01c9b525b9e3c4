/* vec_avx2.h - the operations of vec_math.h for AVX2 with FMA and F16C: 8 floats. */
#ifndef GM_VEC_AVX2_H
#define GM_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VEC = 8, TILE_ROWS = 6, TILE_VECS = 2 };
typedef __m256 vec;

/* The first n lanes all ones. */
static inline __m256i vec_mask(size_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

static inline vec vec_set(float x) {
  return _mm256_set1_ps(x);
}
static inline vec vec_load(const float *p) {
  return _mm256_loadu_ps(p);
}
static inline void vec_store(float *p, vec a) {
  _mm256_storeu_ps(p, a);
}
static inline vec vec_load_part(const float *p, size_t n) {
  return _mm256_maskload_ps(p, vec_mask(n));
}
static inline void vec_store_part(float *p, vec a, size_t n) {
  _mm256_maskstore_ps(p, vec_mask(n), a);
}
static inline vec vec_keep(vec a, size_t n) {
  return _mm256_and_ps(a, _mm256_castsi256_ps(vec_mask(n)));
}
static inline vec vec_load_half(const uint16_t *p) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static inline vec vec_load_half_part(const uint16_t *p, size_t n) {
  uint16_t part[VEC] = {0};
  memcpy(part, p, n * sizeof *p);
  return vec_load_half(part);
}
static inline void vec_store_half_part(uint16_t *p, vec a, size_t n) {
  uint16_t part[VEC];
  _mm_storeu_si128((__m128i *)(void *)part, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
  memcpy(p, part, n * sizeof *p);
}

static inline vec vec_all_half(const uint16_t *p) {
  return _mm256_cvtph_ps(_mm_set1_epi16((short)*p));
}
static inline vec vec_load_i8(const int8_t *p) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
/* Eight numbers in 16 bits. */
static inline __m128i vec_words(vec a) {
  __m256i x = _mm256_cvtps_epi32(a);
  return _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}
static inline void vec_store_i8(int8_t *p, vec a) {
  __m128i words = vec_words(a);
  _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(words, words));
}
static inline void vec_store_i16(int16_t *p, vec a) {
  _mm_storeu_si128((__m128i *)(void *)p, vec_words(a));
}
static inline vec vec_dot32(const int16_t *a, const int8_t *b) {
  const __m128i *bytes = (const __m128i *)(const void *)b;
  const __m256i *words = (const __m256i *)(const void *)a;
  __m256i low = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(bytes)),
                                  _mm256_loadu_si256(words));
  __m256i high = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(bytes + 1)),
                                   _mm256_loadu_si256(words + 1));
  return _mm256_cvtepi32_ps(_mm256_add_epi32(low, high));
}

static inline vec vec_add(vec a, vec b) {
  return _mm256_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b) {
  return _mm256_sub_ps(a, b);
}
static inline vec vec_mul(vec a, vec b) {
  return _mm256_mul_ps(a, b);
}
static inline vec vec_div(vec a, vec b) {
  return _mm256_div_ps(a, b);
}
static inline vec vec_fma(vec a, vec b, vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
static inline vec vec_max(vec a, vec b) {
  return _mm256_max_ps(a, b);
}
static inline vec vec_min(vec a, vec b) {
  return _mm256_min_ps(a, b);
}
static inline vec vec_clamp(vec a, vec low, vec high) {
  return _mm256_min_ps(_mm256_max_ps(a, low), high);
}
static inline vec vec_sqrt(vec a) {
  return _mm256_sqrt_ps(a);
}
static inline vec vec_where_positive(vec x, vec a) {
  return _mm256_and_ps(a, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
}
static inline vec vec_pair(float a, float b) {
  return _mm256_unpacklo_ps(_mm256_set1_ps(a), _mm256_set1_ps(b));
}
static inline void vec_store_i32(int32_t *p, vec a) {
  _mm256_storeu_si256((__m256i *)(void *)p, _mm256_cvtps_epi32(a));
}
static inline vec vec_floor(vec a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline vec vec_round(vec a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec vec_scale2(vec a, vec n) {
  __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponent));
}
static inline float vec_sum(vec a) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
static inline float vec_top(vec a) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

#endif
