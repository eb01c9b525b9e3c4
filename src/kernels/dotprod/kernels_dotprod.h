/* kernels_dotprod.h - the kernels for NEON with the dot product extension. */
#ifndef GM_KERNELS_DOTPROD_H
#define GM_KERNELS_DOTPROD_H

#include "kernels.h"

extern const gm_matmul gm_matmul_q8_0_dotprod, gm_matmul_q4_0_dotprod;
extern const gm_matmul gm_matmul_q4_k_dotprod, gm_matmul_q6_k_dotprod;

#endif
