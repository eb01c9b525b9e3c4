/* probe_kernels.h - loops that do nothing but multiply and add in registers. They show the most
 * that the arithmetic units can do, so that a speed can be given as a share of it. */
#ifndef GM_PROBE_KERNELS_H
#define GM_PROBE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct gm_probe_kernels {
  /* Each runs n rounds and returns the number of operations done, 2 per multiply-add; *sink
   * takes the result, so that the loop is not optimised away. */
  uint64_t (*fp32)(size_t n, float *sink);   /* fused multiply-adds of f32 */
  uint64_t (*int8)(size_t n, int32_t *sink); /* 8-bit products summed to 32 bits */
  uint64_t (*bf16)(size_t n,
                   float *sink); /* pairs of bf16 summed in f32; NULL: there are none */
} gm_probe_kernels;

#endif
