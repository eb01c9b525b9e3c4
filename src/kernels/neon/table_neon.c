/* table_neon.c - the members of the kernel table that NEON computes. */
#include "kernels_levels.h"

void gm_kernels_use_neon(gm_kernels *k) {
  gm_row_kernels_use_neon(&k->rows);
}
