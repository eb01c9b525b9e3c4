/* table_dotprod.c - the members of the kernel table that NEON with the dot product extension
 * computes. */
#include "dotprod/kernels_dotprod.h"
#include "kernels_levels.h"

void gm_kernels_use_dotprod(gm_kernels *k) {
  k->matmul[GM_TYPE_Q8_0] = &gm_matmul_q8_0_dotprod;
  k->matmul[GM_TYPE_Q4_0] = &gm_matmul_q4_0_dotprod;
  k->matmul[GM_TYPE_Q4_K] = &gm_matmul_q4_k_dotprod;
  k->matmul[GM_TYPE_Q6_K] = &gm_matmul_q6_k_dotprod;
}
