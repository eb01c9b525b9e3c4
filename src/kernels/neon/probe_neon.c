/* probe_neon.c - see probe_kernels.h. */
#include "neon/kernels_neon.h"

#include <arm_neon.h>

enum { CHAINS = 16 };

uint64_t gm_probe_fp32_neon(size_t n, float *sink) {
  float32x4_t acc[CHAINS], x = vdupq_n_f32(0.999F + *sink * 1e-9F);
#pragma GCC unroll 16
  for (int k = 0; k < CHAINS; k++) acc[k] = vdupq_n_f32((float)k);
  for (size_t i = 0; i < n; i++)
#pragma GCC unroll 16
    for (int k = 0; k < CHAINS; k++) acc[k] = vfmaq_f32(vdupq_n_f32(0.5F), acc[k], x);
#pragma GCC unroll 16 /* else the chains live in memory */
  for (int k = 1; k < CHAINS; k++) acc[0] = vaddq_f32(acc[0], acc[k]);
  *sink += vgetq_lane_f32(acc[0], 0);
  return (uint64_t)n * CHAINS * 4 * 2;
}
