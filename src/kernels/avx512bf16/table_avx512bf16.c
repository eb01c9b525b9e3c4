/* table_avx512bf16.c - the members of the kernel table that AVX-512 BF16 computes. */
#include "avx512bf16/kernels_avx512bf16.h"
#include "kernels_levels.h"

void gm_kernels_use_avx512bf16(gm_kernels *k) {
  k->rounded[GM_TYPE_F32] = &gm_rounded_f32_avx512bf16;
  k->rounded[GM_TYPE_F16] = &gm_rounded_f16_avx512bf16;
  k->rounded[GM_TYPE_BF16] = &gm_rounded_bf16_avx512bf16;
  for (int type = 0; type < GM_TYPE_COUNT; type++) k->rounds[type] = type != GM_TYPE_F32;
  k->probe.bf16 = gm_probe_bf16_avx512bf16;
}
