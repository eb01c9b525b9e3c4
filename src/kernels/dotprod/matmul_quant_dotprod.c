/* matmul_quant_dotprod.c - NEON with the dot product extension: products with block types; see
 * matmul_quant_arm.h. */
#include "dotprod/kernels_dotprod.h"

#include <arm_neon.h>

static inline int32x4_t dot4(int32x4_t acc, int8x16_t a, int8x16_t b) {
  return vdotq_s32(acc, a, b);
}

#include "dot4_arm.h"
#include "matmul_quant_arm.h"

void gm_use_quant_dotprod(gm_kernels *k) {
  use_products(k);
}
