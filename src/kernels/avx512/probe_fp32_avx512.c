/* probe_fp32_avx512.c - see probe_kernels.h. */
#include "avx512/vec_avx512.h"

#include "avx512/kernels_avx512.h"

enum { CHAINS = 20 };

#include "probe_fp32_vec.h"

uint64_t gm_probe_fp32_avx512(size_t n, float *sink) {
  return probe_fp32(n, sink);
}
