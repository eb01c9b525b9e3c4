/* vec_avx512.h - the operations of vec_math.h for AVX-512: 16 floats. */
#ifndef GM_VEC_AVX512_H
#define GM_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { VEC = 16, TILE_ROWS = 6, TILE_VECS = 4 };
typedef __m512 vec;

static inline __mmask16 vec_mask(size_t n) {
  return (__mmask16)((1U << n) - 1);
}

static inline vec vec_set(float x) {
  return _mm512_set1_ps(x);
}
static inline vec vec_load(const float *p) {
  return _mm512_loadu_ps(p);
}
static inline void vec_store(float *p, vec a) {
  _mm512_storeu_ps(p, a);
}
static inline vec vec_load_part(const float *p, size_t n) {
  return _mm512_maskz_loadu_ps(vec_mask(n), p);
}
static inline void vec_store_part(float *p, vec a, size_t n) {
  _mm512_mask_storeu_ps(p, vec_mask(n), a);
}
static inline vec vec_keep(vec a, size_t n) {
  return _mm512_maskz_mov_ps(vec_mask(n), a);
}
static inline vec vec_load_half(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
static inline vec vec_load_half_part(const uint16_t *p, size_t n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(vec_mask(n), p));
}
static inline void vec_store_half_part(uint16_t *p, vec a, size_t n) {
  _mm256_mask_storeu_epi16(p, vec_mask(n),
                           _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline vec vec_all_half(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_set1_epi16((short)*p));
}
static inline vec vec_load_i8(const int8_t *p) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
static inline void vec_store_i8(int8_t *p, vec a) {
  _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a)));
}
static inline void vec_store_i16(int16_t *p, vec a) {
  _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(a)));
}
static inline vec vec_dot32(const int16_t *a, const int8_t *b) {
  __m512i wide = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)b));
  return _mm512_cvtepi32_ps(_mm512_madd_epi16(wide, _mm512_loadu_si512(a)));
}

static inline vec vec_add(vec a, vec b) {
  return _mm512_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b) {
  return _mm512_sub_ps(a, b);
}
static inline vec vec_mul(vec a, vec b) {
  return _mm512_mul_ps(a, b);
}
static inline vec vec_div(vec a, vec b) {
  return _mm512_div_ps(a, b);
}
static inline vec vec_fma(vec a, vec b, vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
static inline vec vec_max(vec a, vec b) {
  return _mm512_max_ps(a, b);
}
static inline vec vec_min(vec a, vec b) {
  return _mm512_min_ps(a, b);
}
static inline vec vec_clamp(vec a, vec low, vec high) {
  return _mm512_min_ps(_mm512_max_ps(a, low), high);
}
static inline vec vec_sqrt(vec a) {
  return _mm512_sqrt_ps(a);
}
static inline vec vec_where_positive(vec x, vec a) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), a);
}
static inline vec vec_pair(float a, float b) {
  return _mm512_unpacklo_ps(_mm512_set1_ps(a), _mm512_set1_ps(b));
}
static inline void vec_store_i32(int32_t *p, vec a) {
  _mm512_storeu_si512(p, _mm512_cvtps_epi32(a));
}
static inline vec vec_floor(vec a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline vec vec_round(vec a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec vec_scale2(vec a, vec n) {
  return _mm512_scalef_ps(a, n);
}
static inline float vec_sum(vec a) {
  return _mm512_reduce_add_ps(a);
}
static inline float vec_top(vec a) {
  return _mm512_reduce_max_ps(a);
}

#endif
