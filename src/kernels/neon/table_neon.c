/* table_neon.c - the members of the kernel table that NEON computes. */
#include "kernels_levels.h"
#include "neon/kernels_neon.h"

void gm_kernels_use_neon(gm_kernels *k) {
  k->matmul[GM_TYPE_F32] = &gm_matmul_f32_neon;
  k->matmul[GM_TYPE_F16] = &gm_matmul_f16_neon;
  k->matmul[GM_TYPE_BF16] = &gm_matmul_bf16_neon;
  gm_use_quant_neon(k);
  k->epilogue = gm_epilogue_neon;
  gm_row_kernels_use_neon(&k->rows);
  gm_train_kernels_use_neon(&k->train);
  k->probe.fp32 = gm_probe_fp32_neon;
}
