/* activations_neon.c - NEON: rounds rows of activations to int8, as activations.h says. */
#include "neon/kernels_neon.h"

#include <arm_neon.h>

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

static inline void round32(int8_t *q, const float *x, float inverse, int32_t *low,
                           int32_t *high) {
  *low = round16(q, x, inverse);
  *high = round16(q + 16, x + 16, inverse);
}

#include "activations_vec.h"

void gm_pack_x32_neon(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                      size_t k) {
  pack_x32(dst, x, ldx, rows, group, k);
}

void gm_pack_xk_neon(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k) {
  pack_xk(dst, x, ldx, rows, group, k);
}
