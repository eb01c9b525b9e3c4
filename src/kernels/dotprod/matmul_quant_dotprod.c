/* matmul_quant_dotprod.c - NEON with the dot product extension: products with block types; see
 * matmul_quant_arm.h. */
#include "dotprod/kernels_dotprod.h"
#include "neon/kernels_neon.h"

#include <arm_neon.h>

static inline int32x4_t dot4(int32x4_t acc, int8x16_t a, int8x16_t b) {
  return vdotq_s32(acc, a, b);
}

#include "dot4_arm.h"
#include "matmul_quant_arm.h"

const gm_matmul gm_matmul_q8_0_dotprod = {MR,
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
const gm_matmul gm_matmul_q4_0_dotprod = {MR,
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
const gm_matmul gm_matmul_q4_k_dotprod = {MR,
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
const gm_matmul gm_matmul_q6_k_dotprod = {MR,
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
