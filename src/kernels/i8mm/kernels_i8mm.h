/* kernels_i8mm.h - the kernels for NEON with the int8 matrix product extension. */
#ifndef GM_KERNELS_I8MM_H
#define GM_KERNELS_I8MM_H

#include "kernels.h"

extern const gm_matmul gm_matmul_q8_0_i8mm, gm_matmul_q4_0_i8mm;
extern const gm_matmul gm_matmul_q4_k_i8mm, gm_matmul_q6_k_i8mm;

#endif
