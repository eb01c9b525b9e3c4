/* probe_fp32_neon.c - see probe_kernels.h. */
#include "neon/vec_neon.h"

#include "neon/kernels_neon.h"

enum { CHAINS = 16 };

#include "probe_fp32_vec.h"

uint64_t gm_probe_fp32_neon(size_t n, float *sink) {
  return probe_fp32(n, sink);
}
