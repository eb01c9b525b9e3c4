/* activations_avx2.c - AVX2: rounds rows of activations to int8, as activations.h says. */
#include "activations.h"
#include "avx2/kernels_avx2.h"
#include "avx2/top_avx2.h"
#include "avx2/transpose_avx2.h"

#include <string.h>

static inline __m256i round8(const float *x, __m256 inverse) {
  /* Not a number converts to the least integer. */
  return _mm256_max_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse)),
                          _mm256_set1_epi32(-127));
}

/* Rounds 32 values to q; their sums over 16 go to low and high. */
static inline void round32(int8_t *q, const float *x, float inverse, int *low, int *high) {
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

static inline __m256i top32(__m256i top, const float *x) {
  for (size_t i = 0; i < 32; i += 8) top = gm_top_bits_avx2(top, _mm256_loadu_ps(x + i));
  return top;
}

void gm_pack_x32_avx2(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
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
        float top = gm_top_avx2(top32(_mm256_setzero_si256(), in));
        int low, high;
        round32((int8_t *)chunk + (b * group + r) * 32, in, gm_x_inverse(top, 127), &low,
                &high);
        d[b * group + r] = gm_x_step(top, 127);
        s[b * group + r] = -128 * (low + high);
      }
  }
}

void gm_pack_xk_avx2(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k) {
  unsigned char *chunk = dst;
  for (size_t first = 0; first < k; first += GM_X_CHUNK, chunk += GM_XK_BYTES * group) {
    int16_t *s16 = (int16_t *)(void *)(chunk + 256 * group);
    int16_t *s32 = (int16_t *)(void *)(chunk + 288 * group);
    float *d = (float *)(void *)(chunk + 304 * group);
    if (rows < group) memset(chunk, 0, GM_XK_BYTES * group);
    for (size_t r = 0; r < rows; r++) {
      const float *in = x + r * ldx + first;
      __m256i tops = _mm256_setzero_si256();
      for (size_t i = 0; i < GM_X_CHUNK; i += 32) tops = top32(tops, in + i);
      float top = gm_top_avx2(tops);
      d[r] = gm_x_step(top, 127);
      for (size_t b = 0; b < 8; b++) {
        int low, high;
        int8_t *q = (int8_t *)chunk + (gm_xk_place(b) * group + r) * 32;
        round32(q, in + b * 32, gm_x_inverse(top, 127), &low, &high);
        s16[(b * group + r) * 2] = (int16_t)low;
        s16[(b * group + r) * 2 + 1] = (int16_t)high;
        s32[(b / 2 * group + r) * 2 + b % 2] = (int16_t)(low + high);
      }
    }
  }
}
