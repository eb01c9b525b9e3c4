/* kernels_avx2.h - the AVX2 kernels. Contracts are those of the members of gm_kernels. */
#ifndef GM_KERNELS_AVX2_H
#define GM_KERNELS_AVX2_H

#include "kernels.h"

void gm_epilogue_avx2(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                      size_t cols, const gm_epilogue *e);

#endif
