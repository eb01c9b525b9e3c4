/* train_avx2.c - the inner loops of training for AVX2. */
#include "avx2/vec_avx2.h"

#include "train_vec.h"

void gm_train_kernels_use_avx2(gm_train_kernels *k) {
  use_train_vec(k);
}
