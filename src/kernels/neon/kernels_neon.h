/* kernels_neon.h - the NEON kernels. Contracts are those of the members of gm_kernels. */
#ifndef GM_KERNELS_NEON_H
#define GM_KERNELS_NEON_H

#include "kernels.h"

extern const gm_matmul gm_matmul_f32_neon, gm_matmul_f16_neon, gm_matmul_bf16_neon;
/* The products with block types. */
void gm_use_quant_neon(gm_kernels *k);

void gm_pack_x32_neon(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                      size_t k);
void gm_pack_xk_neon(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k);
void gm_epilogue_neon(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                      size_t cols, const gm_epilogue *e);

uint64_t gm_probe_fp32_neon(size_t n, float *sink);

#endif
