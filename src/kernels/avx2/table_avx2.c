/* table_avx2.c - the members of the kernel table that AVX2 and FMA computes. */
#include "kernels_levels.h"

void gm_kernels_use_avx2(gm_kernels *k) {
  gm_row_kernels_use_avx2(&k->rows);
}
