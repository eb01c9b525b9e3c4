/* kernels_avx512vnni.h - the AVX-512 VNNI kernels. */
#ifndef GM_KERNELS_AVX512VNNI_H
#define GM_KERNELS_AVX512VNNI_H

#include "kernels.h"

extern const gm_matmul gm_matmul_q8_0_avx512vnni, gm_matmul_q4_0_avx512vnni;
extern const gm_matmul gm_matmul_q4_k_avx512vnni, gm_matmul_q6_k_avx512vnni;

/* Of the above, in files of their own. */
void gm_gemv_q8_0_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k);
void gm_gemv_q4_0_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k);
void gm_gemv_q4_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k);
void gm_gemv_q6_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k);

/* Parts of the above, which call them with at least so many rows of x: the same results, bit by
 * bit, in less time. n is a multiple of 16, and k of 256. */
enum { GM_COLUMNS_ROWS = 7 };
void gm_columns_q8_0_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                                size_t row_bytes, size_t n, size_t k);
void gm_columns_q4_0_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                                size_t row_bytes, size_t n, size_t k);
void gm_columns_q4_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                                size_t row_bytes, size_t n, size_t k);
void gm_columns_q6_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                                size_t row_bytes, size_t n, size_t k);

uint64_t gm_probe_int8_avx512vnni(size_t n, int32_t *sink);

#endif
