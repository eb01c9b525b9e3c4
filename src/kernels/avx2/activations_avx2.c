/* activations_avx2.c - AVX2: rounds rows of activations to int8, as activations.h says. */
#include "avx2/kernels_avx2.h"
#include "avx2/top_avx2.h"
#include "avx2/transpose_avx2.h"

static inline __m256i round8(const float *x, __m256 inverse) {
  /* NaN converts to the least integer. */
  return _mm256_max_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse)),
                          _mm256_set1_epi32(-127));
}

/* Rounds 32 values to q; their sums over 16 go to low and high. */
static inline void round32(int8_t *q, const float *x, float inverse, int32_t *low,
                           int32_t *high) {
  __m256 scale = _mm256_set1_ps(inverse);
  __m256i a = round8(x, scale), b = round8(x + 8, scale);
  __m256i c = round8(x + 16, scale), d = round8(x + 24, scale);
  *low = gm_sum8_epi32_avx2(_mm256_add_epi32(a, b));
  *high = gm_sum8_epi32_avx2(_mm256_add_epi32(c, d));
  /* Packing works on halves: four bytes of a, b, c, d in turn, twice. */
  __m256i all = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  all = _mm256_permutevar8x32_epi32(all, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256((__m256i *)(void *)q, all);
}

static inline float top_of(const float *x, size_t n) {
  __m256i top = _mm256_setzero_si256();
  for (size_t i = 0; i < n; i += 8) top = gm_top_bits_avx2(top, _mm256_loadu_ps(x + i));
  return gm_top_avx2(top);
}

#include "activations_vec.h"

void gm_pack_x32_avx2(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                      size_t k) {
  pack_x32(dst, x, ldx, rows, group, k);
}

void gm_pack_xk_avx2(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k) {
  pack_xk(dst, x, ldx, rows, group, k);
}
