/* epilogue_neon.c - NEON: what is done to a product before it is stored. */
#include "neon/vec_neon.h"

#include "epilogue_vec.h"
#include "neon/kernels_neon.h"

void gm_epilogue_neon(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                      size_t cols, const gm_epilogue *e) {
  epilogue(y, ldy, acc, ld_acc, rows, cols, e);
}
