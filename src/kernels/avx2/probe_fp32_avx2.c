/* probe_fp32_avx2.c - see probe_kernels.h. */
#include "avx2/vec_avx2.h"

#include "avx2/kernels_avx2.h"

enum { CHAINS = 10 };

#include "probe_fp32_vec.h"

uint64_t gm_probe_fp32_avx2(size_t n, float *sink) {
  return probe_fp32(n, sink);
}
