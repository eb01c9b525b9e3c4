/* activations_neon.c - NEON: rounds rows of activations to int8, as activations.h says. */
#include "activations.h"
#include "neon/kernels_neon.h"

#include <arm_neon.h>
#include <string.h>

/* Rounds 16 values to q and returns their sum. */
static inline int32_t round16(int8_t *q, const float *x, float inverse) {
  int32x4_t v[4];
  for (size_t i = 0; i < 4; i++)
    v[i] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4 * i), inverse));
  int16x8_t low = vcombine_s16(vqmovn_s32(v[0]), vqmovn_s32(v[1]));
  int16x8_t high = vcombine_s16(vqmovn_s32(v[2]), vqmovn_s32(v[3]));
  int8x16_t all = vcombine_s8(vqmovn_s16(low), vqmovn_s16(high));
  vst1q_s8(q, all);
  return vaddlvq_s8(all);
}

/* The largest magnitude; NaN if one of them is. */
static inline float top_of(const float *x, size_t n) {
  float32x4_t top = vdupq_n_f32(0);
  for (size_t i = 0; i < n; i += 4) top = vmaxq_f32(top, vabsq_f32(vld1q_f32(x + i)));
  return vmaxvq_f32(top);
}

void gm_pack_x32_neon(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
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
        float top = top_of(in, 32), inverse = gm_x_inverse(top, 127);
        int32_t sum = round16(q, in, inverse) + round16(q + 16, in + 16, inverse);
        d[b * group + r] = gm_x_step(top, 127);
        s[b * group + r] = -128 * sum;
      }
  }
}

void gm_pack_xk_neon(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k) {
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
        int8_t *q = (int8_t *)chunk + (gm_xk_place(b) * group + r) * 32;
        int32_t low = round16(q, in + b * 32, inverse);
        int32_t high = round16(q + 16, in + b * 32 + 16, inverse);
        s16[(b * group + r) * 2] = (int16_t)low;
        s16[(b * group + r) * 2 + 1] = (int16_t)high;
        s32[(b / 2 * group + r) * 2 + b % 2] = (int16_t)(low + high);
      }
    }
  }
}
