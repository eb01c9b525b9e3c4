/* vec_neon.h - the operations of vec_math.h for AArch64's Advanced SIMD: 4 floats. */
#ifndef GM_VEC_NEON_H
#define GM_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VEC = 4, TILE_ROWS = 5, TILE_VECS = 4 };
typedef float32x4_t vec;

static inline vec vec_set(float x) {
  return vdupq_n_f32(x);
}
static inline vec vec_load(const float *p) {
  return vld1q_f32(p);
}
static inline void vec_store(float *p, vec a) {
  vst1q_f32(p, a);
}
static inline vec vec_load_part(const float *p, size_t n) {
  float part[VEC] = {0};
  memcpy(part, p, n * sizeof *p);
  return vld1q_f32(part);
}
static inline void vec_store_part(float *p, vec a, size_t n) {
  float part[VEC];
  vst1q_f32(part, a);
  memcpy(p, part, n * sizeof *p);
}
static inline vec vec_keep(vec a, size_t n) {
  const uint32_t lanes[VEC] = {0, 1, 2, 3};
  uint32x4_t mask = vcltq_u32(vld1q_u32(lanes), vdupq_n_u32((uint32_t)n));
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), mask));
}
static inline vec vec_load_half(const uint16_t *p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline vec vec_load_half_part(const uint16_t *p, size_t n) {
  uint16_t part[VEC] = {0};
  memcpy(part, p, n * sizeof *p);
  return vec_load_half(part);
}
static inline void vec_store_half_part(uint16_t *p, vec a, size_t n) {
  uint16_t part[VEC];
  vst1_u16(part, vreinterpret_u16_f16(vcvt_f16_f32(a)));
  memcpy(p, part, n * sizeof *p);
}

static inline vec vec_all_half(const uint16_t *p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(*p)));
}
static inline vec vec_load_i8(const int8_t *p) {
  uint32_t four;
  memcpy(&four, p, sizeof four);
  int16x8_t words = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(words)));
}
static inline void vec_store_i8(int8_t *p, vec a) {
  int16x4_t words = vqmovn_s32(vcvtnq_s32_f32(a));
  int8x8_t bytes = vqmovn_s16(vcombine_s16(words, words));
  memcpy(p, &bytes, VEC);
}
static inline void vec_store_i16(int16_t *p, vec a) {
  vst1_s16(p, vqmovn_s32(vcvtnq_s32_f32(a)));
}
static inline vec vec_dot32(const int16_t *a, const int8_t *b) {
  int32x4_t sum = vdupq_n_s32(0);
  for (size_t i = 0; i < 32; i += 8) {
    int16x8_t words = vmovl_s8(vld1_s8(b + i)), x = vld1q_s16(a + i);
    sum = vmlal_s16(sum, vget_low_s16(words), vget_low_s16(x));
    sum = vmlal_high_s16(sum, words, x);
  }
  return vcvtq_f32_s32(sum);
}

static inline vec vec_add(vec a, vec b) {
  return vaddq_f32(a, b);
}
static inline vec vec_sub(vec a, vec b) {
  return vsubq_f32(a, b);
}
static inline vec vec_mul(vec a, vec b) {
  return vmulq_f32(a, b);
}
static inline vec vec_div(vec a, vec b) {
  return vdivq_f32(a, b);
}
static inline vec vec_fma(vec a, vec b, vec c) {
  return vfmaq_f32(c, a, b);
}
static inline vec vec_max(vec a, vec b) {
  return vmaxq_f32(a, b);
}
static inline vec vec_min(vec a, vec b) {
  return vminq_f32(a, b);
}
static inline vec vec_clamp(vec a, vec low, vec high) {
  return vminnmq_f32(vmaxnmq_f32(a, low), high);
}
static inline vec vec_sqrt(vec a) {
  return vsqrtq_f32(a);
}
static inline vec vec_where_positive(vec x, vec a) {
  return vreinterpretq_f32_u32(
      vandq_u32(vreinterpretq_u32_f32(a), vcgtq_f32(x, vdupq_n_f32(0))));
}
static inline vec vec_pair(float a, float b) {
  return vzip1q_f32(vdupq_n_f32(a), vdupq_n_f32(b));
}
static inline void vec_store_i32(int32_t *p, vec a) {
  vst1q_s32(p, vcvtq_s32_f32(a));
}
static inline vec vec_floor(vec a) {
  return vrndmq_f32(a);
}
static inline vec vec_round(vec a) {
  return vrndnq_f32(a);
}
static inline vec vec_scale2(vec a, vec n) {
  int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), exponent));
}
static inline float vec_sum(vec a) {
  return vaddvq_f32(a);
}
static inline float vec_top(vec a) {
  return vmaxvq_f32(a);
}

#endif
