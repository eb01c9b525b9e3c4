/* table_avxvnni.c - the members of the kernel table that AVX-VNNI computes. */
#include "avxvnni/kernels_avxvnni.h"
#include "kernels_levels.h"

void gm_kernels_use_avxvnni(gm_kernels *k) {
  k->matmul[GM_TYPE_Q8_0] = &gm_matmul_q8_0_avxvnni;
  k->matmul[GM_TYPE_Q4_0] = &gm_matmul_q4_0_avxvnni;
  k->matmul[GM_TYPE_Q4_K] = &gm_matmul_q4_k_avxvnni;
  k->matmul[GM_TYPE_Q6_K] = &gm_matmul_q6_k_avxvnni;
}
