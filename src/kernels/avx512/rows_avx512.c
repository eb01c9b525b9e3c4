/* rows_avx512.c - the row kernels for AVX-512. */
#include "avx512/vec_avx512.h"

#include "rows_vec.h"

void gm_row_kernels_use_avx512(gm_row_kernels *k) {
  use_vec(k);
}
