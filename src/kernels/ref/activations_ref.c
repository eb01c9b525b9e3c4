/* activations_ref.c - plain C: packs rows of activations, as they are or rounded to int8. */
#include "activations.h"
#include "ref/kernels_ref.h"

#include <math.h>
#include <string.h>

void gm_pack_x_f32_ref(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                       size_t k) {
  float *out = dst;
  for (size_t i = 0; i < k; i++)
    for (size_t r = 0; r < group; r++) out[i * group + r] = r < rows ? x[r * ldx + i] : 0.0f;
}

/* The largest magnitude; as bits, among which NaN's are the largest. */
static float top_of(const float *x, size_t n) {
  uint32_t top = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = gm_bits_of(x[i]) & 0x7FFFFFFFu;
    top = bits > top ? bits : top;
  }
  return gm_float_of(top);
}

/* Rounds 32 values of a block whose largest magnitude is top. */
static void round32(int8_t *q, const float *x, float top) {
  float inverse = gm_x_inverse(top, 127);
  for (size_t i = 0; i < 32; i++) {
    float v = x[i] * inverse;
    q[i] = v > -128.0f && v < 128.0f ? (int8_t)rintf(v) : 0;
  }
}

static int32_t sum_of(const int8_t *q, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; i++) sum += q[i];
  return sum;
}

void gm_pack_x32_ref(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k) {
  unsigned char *chunk = dst;
  for (size_t first = 0; first < k; first += GM_X_CHUNK, chunk += GM_X32_BYTES * group) {
    float *d = (float *)(void *)(chunk + 256 * group);
    int32_t *s = (int32_t *)(void *)(chunk + 288 * group);
    size_t blocks = (k - first < GM_X_CHUNK ? k - first : GM_X_CHUNK) / 32;
    for (size_t b = 0; b < blocks; b++)
      for (size_t r = 0; r < group; r++) {
        int8_t *q = (int8_t *)chunk + (b * group + r) * 32;
        memset(q, 0, 32);
        d[b * group + r] = 0.0f;
        if (r < rows) {
          const float *in = x + r * ldx + first + b * 32;
          float top = top_of(in, 32);
          round32(q, in, top);
          d[b * group + r] = gm_x_step(top, 127);
        }
        s[b * group + r] = -128 * sum_of(q, 32);
      }
  }
}

void gm_pack_xk_ref(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                    size_t k) {
  unsigned char *chunk = dst;
  for (size_t first = 0; first < k; first += GM_X_CHUNK, chunk += GM_XK_BYTES * group) {
    int16_t *s16 = (int16_t *)(void *)(chunk + 256 * group);
    int16_t *s32 = (int16_t *)(void *)(chunk + 288 * group);
    float *d = (float *)(void *)(chunk + 304 * group);
    if (rows < group) memset(chunk, 0, GM_XK_BYTES * group);
    for (size_t r = 0; r < rows; r++) {
      const float *in = x + r * ldx + first;
      float top = top_of(in, GM_X_CHUNK);
      d[r] = gm_x_step(top, 127);
      for (size_t b = 0; b < 8; b++) {
        int8_t *q = (int8_t *)chunk + (gm_xk_place(b) * group + r) * 32;
        round32(q, in + b * 32, top);
        int32_t low = sum_of(q, 16), high = sum_of(q + 16, 16);
        s16[(b * group + r) * 2] = (int16_t)low;
        s16[(b * group + r) * 2 + 1] = (int16_t)high;
        s32[(b / 2 * group + r) * 2 + b % 2] = (int16_t)(low + high);
      }
    }
  }
}
