/* matmul_quant_neon.c - NEON without extensions: products with block types; see
 * matmul_quant_arm.h. */
#include "neon/kernels_neon.h"

#include <arm_neon.h>

/* A pair of products fits in 16 bits: it could only reach 2 * 128 * 128 where -128 meets -128,
 * and activations have magnitudes of 127 at most. */
static inline int32x4_t dot4(int32x4_t acc, int8x16_t a, int8x16_t b) {
  int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  return vpadalq_s16(acc, vpaddq_s16(low, high));
}

#include "dot4_arm.h"
#include "matmul_quant_arm.h"

void gm_use_quant_neon(gm_kernels *k) {
  use_products(k);
}
