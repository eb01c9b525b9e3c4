/* matmul_quant_i8mm.c - NEON with the int8 matrix product extension: products with block types;
 * see matmul_quant_arm.h. Panels are [element / 8][8 rows][8 bytes], tiles have 8 rows: smmla
 * multiplies two rows of 8 activations by two rows of 8 weights. */
#include "i8mm/kernels_i8mm.h"

#include <arm_neon.h>

enum { MR = 8, NR = 8 };

static inline int32x4_t dot4(int32x4_t acc, int8x16_t a, int8x16_t b) {
  return vdotq_s32(acc, a, b);
}

static inline void store_block(int8_t *panel, size_t b, size_t j, int8x16x2_t v) {
  int8_t *out = panel + b * 32 * NR + j * 8;
  for (size_t i = 0; i < 2; i++, out += 16 * NR) {
    vst1_s8(out, vget_low_s8(v.val[i]));
    vst1_s8(out + 8 * NR, vget_high_s8(v.val[i]));
  }
}

static inline __attribute__((always_inline)) void
dot_span(int32x4_t dot[MR][2], const int8_t *panel, const int8_t *x, size_t n) {
  int32x4_t square[MR / 2][4]; /* rows 2 r, 2 r + 1 with rows 2 j, 2 j + 1 of w */
#pragma GCC unroll 16
  for (size_t i = 0; i < 2 * MR; i++) square[i / 4][i % 4] = vdupq_n_s32(0);
  for (size_t e = 0; e < n; e += 8, panel += 8 * NR, x += 8) {
    int8x16_t w[4];
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) w[j] = vld1q_s8(panel + 16 * j);
#pragma GCC unroll 4
    for (size_t r = 0; r < MR / 2; r++) {
      int8x16_t v = vcombine_s8(vld1_s8(x + 2 * r * 32), vld1_s8(x + (2 * r + 1) * 32));
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; j++) square[r][j] = vmmlaq_s32(square[r][j], v, w[j]);
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < MR; i++) {
    int32x4_t a = square[i / 2][i % 2 * 2], b = square[i / 2][i % 2 * 2 + 1];
    dot[i / 2 * 2][i % 2] = vcombine_s32(vget_low_s32(a), vget_low_s32(b));
    dot[i / 2 * 2 + 1][i % 2] = vcombine_s32(vget_high_s32(a), vget_high_s32(b));
  }
}

#include "matmul_quant_arm.h"

void gm_use_quant_i8mm(gm_kernels *k) {
  use_products(k);
}
