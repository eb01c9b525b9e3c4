/* kernels_avxvnni.h - the kernels for AVX-VNNI: 256-bit vpdpbusd without AVX-512. */
#ifndef GM_KERNELS_AVXVNNI_H
#define GM_KERNELS_AVXVNNI_H

#include "kernels.h"

extern const gm_matmul gm_matmul_q8_0_avxvnni, gm_matmul_q4_0_avxvnni;
extern const gm_matmul gm_matmul_q4_k_avxvnni, gm_matmul_q6_k_avxvnni;

/* Of Q8_0's gemv, for many rows of x: the same results as gm_gemv_q8_0_avx2's, bit by bit, in
 * less time. n is a multiple of 8, and k of 256. */
void gm_columns_q8_0_avxvnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k);

#endif
