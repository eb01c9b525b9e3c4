/* activations_avx512.c - AVX-512: rounds rows of activations to int8, as activations.h says. */
#include "activations.h"
#include "avx512/kernels_avx512.h"
#include "avx512/top_avx512.h"

#include <immintrin.h>
#include <string.h>

/* Rounds 16 values to q and returns their sum over all lanes. */
static inline int32_t round16(int8_t *q, __m512 x, __m512 inverse) {
  /* Not a number converts to the least integer. */
  __m512i wide = _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse));
  wide = _mm512_max_epi32(wide, _mm512_set1_epi32(-127));
  _mm_storeu_si128((__m128i *)(void *)q, _mm512_cvtsepi32_epi8(wide));
  return _mm512_reduce_add_epi32(wide);
}

void gm_pack_x32_avx512(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                        size_t k) {
  unsigned char *chunk = dst;
  for (size_t first = 0; first < k; first += GM_X_CHUNK, chunk += GM_X32_BYTES * group) {
    float *d = (float *)(void *)(chunk + 256 * group);
    int32_t *s = (int32_t *)(void *)(chunk + 288 * group);
    size_t blocks = (k - first < GM_X_CHUNK ? k - first : GM_X_CHUNK) / 32;
    if (rows < group) memset(chunk, 0, GM_X32_BYTES * group);
    for (size_t b = 0; b < blocks; b++)
      for (size_t r = 0; r < rows; r++) {
        const float *in = x + r * ldx + first + b * 32;
        int8_t *q = (int8_t *)chunk + (b * group + r) * 32;
        __m512 x0 = _mm512_loadu_ps(in), x1 = _mm512_loadu_ps(in + 16);
        __m512i bits = gm_top_bits_avx512(_mm512_setzero_si512(), x0);
        float top = gm_top_avx512(gm_top_bits_avx512(bits, x1));
        __m512 inverse = _mm512_set1_ps(gm_x_inverse(top, 127));
        int32_t sum = round16(q, x0, inverse) + round16(q + 16, x1, inverse);
        d[b * group + r] = gm_x_step(top, 127);
        s[b * group + r] = -128 * sum;
      }
  }
}

void gm_pack_xk_avx512(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                       size_t k) {
  unsigned char *chunk = dst;
  for (size_t first = 0; first < k; first += GM_X_CHUNK, chunk += GM_XK_BYTES * group) {
    int16_t *s16 = (int16_t *)(void *)(chunk + 256 * group);
    int16_t *s32 = (int16_t *)(void *)(chunk + 288 * group);
    float *d = (float *)(void *)(chunk + 304 * group);
    if (rows < group) memset(chunk, 0, GM_XK_BYTES * group);
    for (size_t r = 0; r < rows; r++) {
      const float *in = x + r * ldx + first;
      __m512i bits = _mm512_setzero_si512();
      for (size_t i = 0; i < GM_X_CHUNK; i += 16)
        bits = gm_top_bits_avx512(bits, _mm512_loadu_ps(in + i));
      float top = gm_top_avx512(bits);
      __m512 inverse = _mm512_set1_ps(gm_x_inverse(top, 127));
      d[r] = gm_x_step(top, 127);
      for (size_t b = 0; b < 8; b++) {
        int8_t *q = (int8_t *)chunk + (gm_xk_place(b) * group + r) * 32;
        int32_t low = round16(q, _mm512_loadu_ps(in + b * 32), inverse);
        int32_t high = round16(q + 16, _mm512_loadu_ps(in + b * 32 + 16), inverse);
        s16[(b * group + r) * 2] = (int16_t)low;
        s16[(b * group + r) * 2 + 1] = (int16_t)high;
        s32[(b / 2 * group + r) * 2 + b % 2] = (int16_t)(low + high);
      }
    }
  }
}
