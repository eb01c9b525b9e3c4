/* table_i8mm.c - the members of the kernel table that NEON with the int8 matrix product
 * extension computes. */
#include "i8mm/kernels_i8mm.h"
#include "kernels_levels.h"

void gm_kernels_use_i8mm(gm_kernels *k) {
  k->matmul[GM_TYPE_Q8_0] = &gm_matmul_q8_0_i8mm;
  k->matmul[GM_TYPE_Q4_0] = &gm_matmul_q4_0_i8mm;
  k->matmul[GM_TYPE_Q4_K] = &gm_matmul_q4_k_i8mm;
  k->matmul[GM_TYPE_Q6_K] = &gm_matmul_q6_k_i8mm;
}
