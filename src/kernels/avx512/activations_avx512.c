/* activations_avx512.c - AVX-512: rounds rows of activations to int8, as activations.h says. */
#include "activations.h"
#include "avx512/kernels_avx512.h"

#include <immintrin.h>
#include <string.h>

static inline __m512 abs_max(__m512 top, __m512 x) {
  return _mm512_max_ps(_mm512_abs_ps(x), top);
}

static inline float inverse_scale(float top) {
  return top > GM_X_TINY ? 127.0f / top : 0.0f;
}

static inline float scale_of(float top) {
  return top > GM_X_TINY ? top / 127.0f : 0.0f;
}

/* Rounds 16 values to q and returns their sum over all lanes. */
static inline int32_t round16(int8_t *q, __m512 x, __m512 inverse) {
  /* Not a number converts to the least integer. */
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
        float top = _mm512_reduce_max_ps(abs_max(_mm512_abs_ps(x0), x1));
        __m512 inverse = _mm512_set1_ps(inverse_scale(top));
        int32_t sum = round16(q, x0, inverse) + round16(q + 16, x1, inverse);
        d[b * group + r] = scale_of(top);
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
      __m512 top = _mm512_setzero_ps();
      for (size_t i = 0; i < GM_X_CHUNK; i += 16) top = abs_max(top, _mm512_loadu_ps(in + i));
      float max = _mm512_reduce_max_ps(top);
      __m512 inverse = _mm512_set1_ps(inverse_scale(max));
      d[r] = scale_of(max);
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
