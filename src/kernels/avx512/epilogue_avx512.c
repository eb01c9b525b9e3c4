/* epilogue_avx512.c - AVX-512: what is done to a product before it is stored. */
#include "avx512/vec_avx512.h"

#include "avx512/kernels_avx512.h"
#include "epilogue_vec.h"

void gm_epilogue_avx512(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                        size_t cols, const gm_epilogue *e) {
  epilogue(y, ldy, acc, ld_acc, rows, cols, e);
}
