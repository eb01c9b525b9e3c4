/* kernels_avx512bf16.h - the AVX-512 BF16 kernels. */
#ifndef GM_KERNELS_AVX512BF16_H
#define GM_KERNELS_AVX512BF16_H

#include "kernels.h"

extern const gm_matmul gm_rounded_f32_avx512bf16, gm_rounded_f16_avx512bf16;
extern const gm_matmul gm_rounded_bf16_avx512bf16;

uint64_t gm_probe_bf16_avx512bf16(size_t n, float *sink);

#endif
