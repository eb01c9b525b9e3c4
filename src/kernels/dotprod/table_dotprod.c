/* table_dotprod.c - the members of the kernel table that NEON with the dot product extension
 * computes. */
#include "dotprod/kernels_dotprod.h"
#include "kernels_levels.h"

void gm_kernels_use_dotprod(gm_kernels *k) {
  gm_use_quant_dotprod(k);
}
