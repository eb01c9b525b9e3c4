/* activations_avx512.c - AVX-512: rounds rows of activations to int8, as activations.h says. */
#include "avx512/kernels_avx512.h"
#include "avx512/top_avx512.h"

#include <immintrin.h>

/* Rounds 16 values to q and returns their sum over all lanes. */
static inline int32_t round16(int8_t *q, __m512 x, __m512 inverse) {
  /* NaN converts to the least integer. */
  __m512i wide = _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse));
  wide = _mm512_max_epi32(wide, _mm512_set1_epi32(-127));
  _mm_storeu_si128((__m128i *)(void *)q, _mm512_cvtsepi32_epi8(wide));
  return _mm512_reduce_add_epi32(wide);
}

static inline void round32(int8_t *q, const float *x, float inverse, int32_t *low,
                           int32_t *high) {
  __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
  *low = round16(q, x0, _mm512_set1_ps(inverse));
  *high = round16(q + 16, x1, _mm512_set1_ps(inverse));
}

static inline float top_of(const float *x, size_t n) {
  __m512i top = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 16) top = gm_top_bits_avx512(top, _mm512_loadu_ps(x + i));
  return gm_top_avx512(top);
}

#include "activations_vec.h"

void gm_pack_x32_avx512(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                        size_t k) {
  pack_x32(dst, x, ldx, rows, group, k);
}

void gm_pack_xk_avx512(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                       size_t k) {
  pack_xk(dst, x, ldx, rows, group, k);
}
