/* table_avx512.c - the members of the kernel table that AVX-512 F, BW, VL, DQ, CD computes. */
#include "avx512/kernels_avx512.h"
#include "kernels_levels.h"
#include "ref/kernels_ref.h"

void gm_kernels_use_avx512(gm_kernels *k) {
  gm_row_kernels_use_avx512(&k->rows);
  gm_train_kernels_use_avx512(&k->train);
  k->matmul[GM_TYPE_F32] = &gm_matmul_f32_avx512;
  k->matmul[GM_TYPE_F16] = &gm_matmul_f16_avx512;
  k->matmul[GM_TYPE_BF16] = &gm_matmul_bf16_avx512;
  /* AVX2's words are no faster than f32 in 512 bits. */
  k->rounded[GM_TYPE_F32] = &gm_rounded_f32_ref;
  k->rounded[GM_TYPE_F16] = &gm_rounded_f16_ref;
  k->rounded[GM_TYPE_BF16] = &gm_rounded_bf16_ref;
  for (int type = 0; type < GM_TYPE_COUNT; type++) k->rounds[type] = false;
  k->epilogue = gm_epilogue_avx512;
  k->probe.fp32 = gm_probe_fp32_avx512;
}
