/* probe_ref.c - see probe_kernels.h. */
#include "ref/kernels_ref.h"

static uint64_t fp32(size_t n, float *sink) {
  enum { LANES = 32 };
  float acc[LANES] = {0}, x = 0.999F + *sink * 1e-9F;
  for (size_t i = 0; i < n; i++)
    for (int k = 0; k < LANES; k++) acc[k] = acc[k] * x + 0.5F;
  for (int k = 0; k < LANES; k++) *sink += acc[k];
  return (uint64_t)n * LANES * 2;
}

static uint64_t int8(size_t n, int32_t *sink) {
  enum { LANES = 32 };
  uint32_t acc[LANES] = {0}; /* it may wrap */
  for (size_t i = 0; i < n; i++) {
    int8_t x = (int8_t)(i + (size_t)*sink);
    for (int k = 0; k < LANES; k++) acc[k] += (uint32_t)(x * (int8_t)(x + k));
  }
  for (int k = 0; k < LANES; k++) *sink ^= (int32_t)acc[k];
  return (uint64_t)n * LANES * 2;
}

const gm_probe_kernels gm_probe_ref = {.fp32 = fp32, .int8 = int8};
