/* activations_vec.h - rows of activations rounded to int8 for products with block types, in the
 * forms of activations.h. The including file defines two functions before:
 *
 *   float top_of(const float *x, size_t n)
 *     the largest magnitude of n values, n a multiple of 32; NaN if one of them is
 *   void round32(int8_t *q, const float *x, float inverse, int32_t *low, int32_t *high)
 *     q = x * inverse of 32 values; their sums over the first and the last 16 */
#ifndef GM_ACTIVATIONS_VEC_H
#define GM_ACTIVATIONS_VEC_H

#include "activations.h"

#include <assert.h>
#include <string.h>

/* For blocks of 32. */
static inline void pack_x32(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                            size_t k) {
  assert(rows <= group && k % 32 == 0);
  unsigned char *chunk = dst;
  for (size_t first = 0; first < k; first += GM_X_CHUNK, chunk += GM_X32_BYTES * group) {
    float *d = (float *)(void *)(chunk + 256 * group);
    int32_t *s = (int32_t *)(void *)(chunk + 288 * group);
    size_t blocks = gm_x_blocks(k, first);
    if (rows < group) memset(chunk, 0, GM_X32_BYTES * group);
    for (size_t b = 0; b < blocks; b++)
      for (size_t r = 0; r < rows; r++) {
        const float *in = x + r * ldx + first + b * 32;
        float top = top_of(in, 32);
        int32_t low, high;
        round32((int8_t *)chunk + (b * group + r) * 32, in, gm_x_inverse(top, 127), &low,
                &high);
        d[b * group + r] = gm_x_step(top, 127);
        s[b * group + r] = -128 * (low + high);
      }
  }
}

/* For blocks of 256. */
static inline void pack_xk(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                           size_t k) {
  assert(rows <= group && k % GM_X_CHUNK == 0);
  unsigned char *chunk = dst;
  for (size_t first = 0; first < k; first += GM_X_CHUNK, chunk += GM_XK_BYTES * group) {
    int16_t *s16 = (int16_t *)(void *)(chunk + 256 * group);
    int16_t *s32 = (int16_t *)(void *)(chunk + 288 * group);
    float *d = (float *)(void *)(chunk + 304 * group);
    if (rows < group) memset(chunk, 0, GM_XK_BYTES * group);
    for (size_t r = 0; r < rows; r++) {
      const float *in = x + r * ldx + first;
      float top = top_of(in, GM_X_CHUNK), inverse = gm_x_inverse(top, 127);
      d[r] = gm_x_step(top, 127);
      for (size_t b = 0; b < 8; b++) {
        int32_t low, high;
        round32((int8_t *)chunk + (gm_xk_place(b) * group + r) * 32, in + b * 32, inverse, &low,
                &high);
        s16[(b * group + r) * 2] = (int16_t)low;
        s16[(b * group + r) * 2 + 1] = (int16_t)high;
        s32[(b / 2 * group + r) * 2 + b % 2] = (int16_t)(low + high);
      }
    }
  }
}

#endif
