/* kernels_avx2.h - the AVX2 kernels. Contracts are those of the members of gm_kernels. */
#ifndef GM_KERNELS_AVX2_H
#define GM_KERNELS_AVX2_H

#include "kernels.h"

extern const gm_matmul gm_matmul_f32_avx2, gm_matmul_f16_avx2, gm_matmul_bf16_avx2;
extern const gm_matmul gm_matmul_q8_0_avx2, gm_matmul_q4_0_avx2;
extern const gm_matmul gm_matmul_q4_k_avx2, gm_matmul_q6_k_avx2;
extern const gm_matmul gm_rounded_f32_avx2, gm_rounded_f16_avx2, gm_rounded_bf16_avx2;

/* Parts of the above that AVX-VNNI shares; the panels are described beside them. */
void gm_pack_w_q8_0_avx2(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k);
void gm_gemv_q8_0_avx2(float *y, size_t ldy, const void *x, size_t m, const void *w,
                       size_t row_bytes, size_t n, size_t k);
void gm_pack_w_q4_0_avx2(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k);
void gm_gemv_q4_0_avx2(float *y, size_t ldy, const void *x, size_t m, const void *w,
                       size_t row_bytes, size_t n, size_t k);
void gm_pack_w_q4_k_avx2(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k);
void gm_gemv_q4_k_avx2(float *y, size_t ldy, const void *x, size_t m, const void *w,
                       size_t row_bytes, size_t n, size_t k);
void gm_pack_w_q6_k_avx2(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k);
void gm_gemv_q6_k_avx2(float *y, size_t ldy, const void *x, size_t m, const void *w,
                       size_t row_bytes, size_t n, size_t k);

void gm_pack_x32_avx2(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                      size_t k);
void gm_pack_xk_avx2(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k);
void gm_epilogue_avx2(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                      size_t cols, const gm_epilogue *e);

uint64_t gm_probe_fp32_avx2(size_t n, float *sink);
uint64_t gm_probe_int8_avx2(size_t n, int32_t *sink);

#endif
