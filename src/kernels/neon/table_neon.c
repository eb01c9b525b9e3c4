/* table_neon.c - the members of the kernel table that NEON computes. */
#include "kernels_levels.h"
#include "neon/kernels_neon.h"

void gm_kernels_use_neon(gm_kernels *k) {
  k->epilogue = gm_epilogue_neon;
  gm_row_kernels_use_neon(&k->rows);
}
