/* table_ref.c - every member of the kernel table in plain C. */
#include "kernels_levels.h"
#include "ref/kernels_ref.h"

void gm_kernels_use_ref(gm_kernels *k) {
  k->matmul[GM_TYPE_F32] = &gm_matmul_f32_ref;
  k->matmul[GM_TYPE_F16] = &gm_matmul_f16_ref;
  k->matmul[GM_TYPE_BF16] = &gm_matmul_bf16_ref;
  k->matmul[GM_TYPE_Q8_0] = &gm_matmul_q8_0_ref;
  k->matmul[GM_TYPE_Q4_0] = &gm_matmul_q4_0_ref;
  k->matmul[GM_TYPE_Q4_K] = &gm_matmul_q4_k_ref;
  k->matmul[GM_TYPE_Q6_K] = &gm_matmul_q6_k_ref;
  k->rounded[GM_TYPE_F32] = &gm_rounded_f32_ref;
  k->rounded[GM_TYPE_F16] = &gm_rounded_f16_ref;
  k->rounded[GM_TYPE_BF16] = &gm_rounded_bf16_ref;
  k->epilogue = gm_epilogue_ref;
  gm_row_kernels_use_ref(&k->rows);
  gm_train_kernels_use_ref(&k->train);
  k->probe = gm_probe_ref;
}
