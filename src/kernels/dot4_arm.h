/* dot4_arm.h - store_block and dot_span of matmul_quant_arm.h on dot4: panels of
 * [element / 4][8 rows][4 bytes], tiles of 4 rows. */
#ifndef GM_DOT4_ARM_H
#define GM_DOT4_ARM_H

#include <arm_neon.h>
#include <stddef.h>

enum { MR = 4, NR = 8 };

static inline void store_block(int8_t *panel, size_t b, size_t j, int8x16x2_t v) {
  int32_t *out = (int32_t *)(void *)panel + b * 8 * NR + j;
  for (size_t i = 0; i < 2; i++, out += 4 * NR) {
    int32x4_t four = vreinterpretq_s32_s8(v.val[i]);
    vst1q_lane_s32(out, four, 0);
    vst1q_lane_s32(out + NR, four, 1);
    vst1q_lane_s32(out + 2 * NR, four, 2);
    vst1q_lane_s32(out + 3 * NR, four, 3);
  }
}

/* dot += 16 elements. */
static inline __attribute__((always_inline)) void dot16(int32x4_t dot[MR][2],
                                                        const int8_t *panel, const int8_t *v) {
  int32x4_t x[MR];
#pragma GCC unroll 4
  for (size_t r = 0; r < MR; r++) x[r] = vreinterpretq_s32_s8(vld1q_s8(v + r * 32));
#pragma GCC unroll 4
  for (int g = 0; g < 4; g++) {
    int8x16_t w0 = vld1q_s8(panel + g * NR * 4), w1 = vld1q_s8(panel + g * NR * 4 + 16);
#pragma GCC unroll 4
    for (size_t r = 0; r < MR; r++) {
      int32x4_t four = g == 0   ? vdupq_laneq_s32(x[r], 0)
                       : g == 1 ? vdupq_laneq_s32(x[r], 1)
                       : g == 2 ? vdupq_laneq_s32(x[r], 2)
                                : vdupq_laneq_s32(x[r], 3);
      dot[r][0] = dot4(dot[r][0], w0, vreinterpretq_s8_s32(four));
      dot[r][1] = dot4(dot[r][1], w1, vreinterpretq_s8_s32(four));
    }
  }
}

static inline __attribute__((always_inline)) void
dot_span(int32x4_t dot[MR][2], const int8_t *panel, const int8_t *x, size_t n) {
#pragma GCC unroll 4
  for (size_t r = 0; r < MR; r++) dot[r][0] = dot[r][1] = vdupq_n_s32(0);
  dot16(dot, panel, x);
  if (n == 32) dot16(dot, panel + 16 * NR, x + 16);
}

#endif
