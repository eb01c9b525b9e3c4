/* kernels.c - chooses the table of kernels for this processor. */
#include "kernels.h"

static const gm_kernels ref = {.name = "ref"};

const gm_kernels *gm_kernels_best(void) {
  return &ref;
}
