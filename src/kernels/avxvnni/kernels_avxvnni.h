/* kernels_avxvnni.h - the kernels for AVX-VNNI: 256-bit vpdpbusd without AVX-512. */
#ifndef GM_KERNELS_AVXVNNI_H
#define GM_KERNELS_AVXVNNI_H

#include "kernels.h"

extern const gm_matmul gm_matmul_q8_0_avxvnni, gm_matmul_q4_0_avxvnni;
extern const gm_matmul gm_matmul_q4_k_avxvnni, gm_matmul_q6_k_avxvnni;

#endif
