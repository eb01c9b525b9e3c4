/* kernels_avx512.h - the AVX-512 kernels. Contracts are those of the members of gm_kernels. */
#ifndef GM_KERNELS_AVX512_H
#define GM_KERNELS_AVX512_H

#include "kernels.h"

extern const gm_matmul gm_matmul_f32_avx512, gm_matmul_f16_avx512, gm_matmul_bf16_avx512;

void gm_pack_x32_avx512(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                        size_t k);
void gm_pack_xk_avx512(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                       size_t k);
void gm_epilogue_avx512(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                        size_t cols, const gm_epilogue *e);

uint64_t gm_probe_fp32_avx512(size_t n, float *sink);

#endif
