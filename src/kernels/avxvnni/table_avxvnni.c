/* table_avxvnni.c - the members of the kernel table that AVX-VNNI computes. */
#include "kernels_levels.h"

void gm_kernels_use_avxvnni(gm_kernels *k) {
  (void)k;
}
