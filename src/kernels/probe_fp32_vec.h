/* probe_fp32_vec.h - gm_probe_kernels.fp32 in vectors. The including file defines CHAINS (see
 * probe_vec.h) and includes its vec_NAME.h before. */
#ifndef GM_PROBE_FP32_VEC_H
#define GM_PROBE_FP32_VEC_H

typedef vec sum;
typedef vec factor;

static inline sum chain(int k) {
  return vec_set((float)k);
}

static inline sum step(sum a, factor x, factor *y) {
  return vec_fma(a, x, *y);
}

static inline sum join(sum a, sum b) {
  return vec_add(a, b);
}

#include "probe_vec.h"

static uint64_t probe_fp32(size_t n, float *sink) {
  float all[VEC];
  vec_store(all, probe_chains(n, vec_set(0.999F + *sink * 1e-9F), vec_set(0.5F)));
  *sink += all[0];
  return (uint64_t)n * CHAINS * VEC * 2;
}

#endif
