/* epilogue_avx2.c - AVX2: what is done to a product before it is stored. */
#include "avx2/vec_avx2.h"

#include "avx2/kernels_avx2.h"
#include "epilogue_vec.h"

void gm_epilogue_avx2(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                      size_t cols, const gm_epilogue *e) {
  epilogue(y, ldy, acc, ld_acc, rows, cols, e);
}
