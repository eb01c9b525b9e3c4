/* table_avx2.c - the members of the kernel table that AVX2 and FMA computes. */
#include "avx2/kernels_avx2.h"
#include "kernels_levels.h"

void gm_kernels_use_avx2(gm_kernels *k) {
  k->epilogue = gm_epilogue_avx2;
  gm_row_kernels_use_avx2(&k->rows);
}
