/* table_avx512vnni.c - the members of the kernel table that AVX-512 VNNI and VBMI computes. */
#include "kernels_levels.h"

void gm_kernels_use_avx512vnni(gm_kernels *k) {
  (void)k;
}
