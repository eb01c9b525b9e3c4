/* train_neon.c - the inner loops of training for AArch64. */
#include "neon/vec_neon.h"

#include "train_vec.h"

void gm_train_kernels_use_neon(gm_train_kernels *k) {
  use_train_vec(k);
}
