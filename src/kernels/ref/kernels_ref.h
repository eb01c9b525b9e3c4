/* kernels_ref.h - the plain C kernels, which the other instruction sets may use too. Contracts
 * are those of the members of gm_kernels. */
#ifndef GM_KERNELS_REF_H
#define GM_KERNELS_REF_H

#include "kernels.h"

void gm_pack_x_f32_ref(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                       size_t k);
void gm_pack_x32_ref(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k);
void gm_pack_xk_ref(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k);
void gm_epilogue_ref(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                     size_t cols, const gm_epilogue *e);

extern const gm_matmul gm_matmul_f32_ref, gm_matmul_f16_ref, gm_matmul_bf16_ref;
extern const gm_matmul gm_matmul_q8_0_ref, gm_matmul_q4_0_ref;
extern const gm_matmul gm_matmul_q4_k_ref, gm_matmul_q6_k_ref;

extern const gm_matmul gm_rounded_f32_ref, gm_rounded_f16_ref, gm_rounded_bf16_ref;

extern const gm_probe_kernels gm_probe_ref;

#endif
