/* matmul_quant_neon.c - NEON without extensions: products with block types; see
 * matmul_quant_arm.h. */
#include "neon/kernels_neon.h"

#include <arm_neon.h>

/* Pairs of products stay within 2 * 128 * 128: -128 meets -128 nowhere, activations end at
 * 127. */
static inline int32x4_t dot4(int32x4_t acc, int8x16_t a, int8x16_t b) {
  int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  return vpadalq_s16(acc, vpaddq_s16(low, high));
}

#include "dot4_arm.h"
#include "matmul_quant_arm.h"

const gm_matmul gm_matmul_q8_0_neon = {MR,
                                       NR,
                                       32,
                                       GM_X_CHUNK,
                                       GM_X32_BYTES,
                                       Q32_BYTES,
                                       gm_pack_x32_neon,
                                       pack_w_q8_0,
                                       tile_q32,
                                       gemv_q8_0,
                                       GM_TILE_AS_ROWS,
                                       GM_X32_BYTES,
                                       NULL};
const gm_matmul gm_matmul_q4_0_neon = {MR,
                                       NR,
                                       32,
                                       GM_X_CHUNK,
                                       GM_X32_BYTES,
                                       Q32_BYTES,
                                       gm_pack_x32_neon,
                                       pack_w_q4_0,
                                       tile_q32,
                                       gemv_q4_0,
                                       GM_TILE_AS_ROWS,
                                       GM_X32_BYTES,
                                       NULL};
const gm_matmul gm_matmul_q4_k_neon = {MR,
                                       NR,
                                       256,
                                       GM_X_CHUNK,
                                       GM_XK_BYTES,
                                       Q4_K_BYTES,
                                       gm_pack_xk_neon,
                                       pack_w_q4_k,
                                       tile_q4_k,
                                       gemv_q4_k,
                                       GM_TILE_AS_ROWS,
                                       GM_XK_BYTES,
                                       NULL};
const gm_matmul gm_matmul_q6_k_neon = {MR,
                                       NR,
                                       256,
                                       GM_X_CHUNK,
                                       GM_XK_BYTES,
                                       Q6_K_BYTES,
                                       gm_pack_xk_neon,
                                       pack_w_q6_k,
                                       tile_q6_k,
                                       gemv_q6_k,
                                       GM_TILE_AS_ROWS,
                                       GM_XK_BYTES,
                                       NULL};
