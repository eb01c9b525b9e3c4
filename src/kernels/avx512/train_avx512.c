/* train_avx512.c - the inner loops of training for AVX-512. */
#include "avx512/vec_avx512.h"

#include "train_vec.h"

void gm_train_kernels_use_avx512(gm_train_kernels *k) {
  use_train_vec(k);
}
