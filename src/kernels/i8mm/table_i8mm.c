/* table_i8mm.c - the members of the kernel table that NEON with the int8 matrix product
 * extension computes. */
#include "kernels_levels.h"

void gm_kernels_use_i8mm(gm_kernels *k) {
  (void)k;
}
