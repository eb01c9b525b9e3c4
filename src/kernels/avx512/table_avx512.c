/* table_avx512.c - the members of the kernel table that AVX-512 F, BW, VL, DQ, CD computes. */
#include "kernels_levels.h"

void gm_kernels_use_avx512(gm_kernels *k) {
  gm_row_kernels_use_avx512(&k->rows);
}
