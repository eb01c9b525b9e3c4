/* table_avx512vnni.c - the members of the kernel table that AVX-512 VNNI and VBMI compute. */
#include "avx512vnni/kernels_avx512vnni.h"
#include "kernels_levels.h"

void gm_kernels_use_avx512vnni(gm_kernels *k) {
  k->matmul[GM_TYPE_Q8_0] = &gm_matmul_q8_0_avx512vnni;
  k->keep_panels[GM_TYPE_Q8_0] = true; /* 3 to 5 % of the product: docs/SPEED-LOG.md */
  k->matmul[GM_TYPE_Q4_0] = &gm_matmul_q4_0_avx512vnni;
  k->matmul[GM_TYPE_Q4_K] = &gm_matmul_q4_k_avx512vnni;
  k->matmul[GM_TYPE_Q6_K] = &gm_matmul_q6_k_avx512vnni;
  k->probe.int8 = gm_probe_int8_avx512vnni;
}
