/* table_avx2.c - the members of the kernel table that AVX2 and FMA compute. */
#include "avx2/kernels_avx2.h"
#include "kernels_levels.h"

void gm_kernels_use_avx2(gm_kernels *k) {
  k->matmul[GM_TYPE_F32] = &gm_matmul_f32_avx2;
  k->matmul[GM_TYPE_F16] = &gm_matmul_f16_avx2;
  k->matmul[GM_TYPE_BF16] = &gm_matmul_bf16_avx2;
  k->matmul[GM_TYPE_Q8_0] = &gm_matmul_q8_0_avx2;
  k->matmul[GM_TYPE_Q4_0] = &gm_matmul_q4_0_avx2;
  k->matmul[GM_TYPE_Q4_K] = &gm_matmul_q4_k_avx2;
  k->matmul[GM_TYPE_Q6_K] = &gm_matmul_q6_k_avx2;
  k->rounded[GM_TYPE_F32] = &gm_rounded_f32_avx2;
  k->rounded[GM_TYPE_F16] = &gm_rounded_f16_avx2;
  k->rounded[GM_TYPE_BF16] = &gm_rounded_bf16_avx2;
  for (int type = 0; type < GM_TYPE_COUNT; type++) k->rounds[type] = type != GM_TYPE_F32;
  k->epilogue = gm_epilogue_avx2;
  gm_row_kernels_use_avx2(&k->rows);
  gm_train_kernels_use_avx2(&k->train);
  k->probe.fp32 = gm_probe_fp32_avx2;
  k->probe.int8 = gm_probe_int8_avx2;
}
