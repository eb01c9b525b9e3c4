/* kernels.c - chooses the table of kernels for this processor. */
#include "kernels.h"

#include <pthread.h>

static gm_kernels ref = {.name = "ref"};

static void fill(void) {
  gm_row_kernels_use_ref(&ref.rows);
}

const gm_kernels *gm_kernels_best(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, fill);
  return &ref;
}
