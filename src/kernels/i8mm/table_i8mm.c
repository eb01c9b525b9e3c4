/* table_i8mm.c - the members of the kernel table that NEON with the int8 matrix product
 * extension computes. */
#include "i8mm/kernels_i8mm.h"
#include "kernels_levels.h"

void gm_kernels_use_i8mm(gm_kernels *k) {
  gm_use_quant_i8mm(k);
}
