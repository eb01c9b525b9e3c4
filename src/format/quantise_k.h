/* quantise_k.h - ggml's K types: how their numbers are packed, and our quantiser. Layouts in
 * types.h. */
#ifndef GM_QUANTISE_K_H
#define GM_QUANTISE_K_H

#include "types.h"

/* Scale and min of sub-block s (0..7): 6 bits each. The low 6 bits of bytes 0..3 are the scales
 * and of bytes 4..7 the mins of sub-blocks 0..3; bytes 8..11 hold the low halves of sub-blocks
 * 4..7 (scale below, min above), whose top 2 bits fill the top of bytes 0..7. */
static inline void gm_q4_k_scale_min(const uint8_t scales[12], unsigned s, uint8_t *scale,
                                     uint8_t *min) {
  if (s < 4) {
    *scale = scales[s] & 63;
    *min = scales[s + 4] & 63;
  } else {
    *scale = (uint8_t)((scales[s + 4] & 15) | (scales[s - 4] >> 6) << 4);
    *min = (uint8_t)((scales[s + 4] >> 4) | (scales[s] >> 6) << 4);
  }
}

/* Elements 16 s .. 16 s + 15 of a block, which have scale s, as -32..31. Each half of 128
 * elements has 64 bytes of ql, low nibbles for its first 64 elements and high nibbles for the
 * rest, and 32 bytes of qh with 2 bits for each of its four runs of 32. */
static inline void gm_q6_k_levels(const gm_block_q6_k *b, unsigned s, int levels[16]) {
  unsigned half = s / 8, run = s % 8 / 2, first = s % 2 * 16;
  const uint8_t *low = b->ql + half * 64 + run % 2 * 32 + first;
  const uint8_t *high = b->qh + half * 32 + first;
  unsigned low_shift = run / 2 * 4, high_shift = run * 2;
  for (unsigned i = 0; i < 16; i++) {
    int l = low[i] >> low_shift & 15, h = high[i] >> high_shift & 3;
    levels[i] = (l | h << 4) - 32;
  }
}

/* y = the blocks of x[0..n); n is a multiple of 256, the values are finite. */
void gm_q4_k_from_float(void *y, const float *x, size_t n);
void gm_q6_k_from_float(void *y, const float *x, size_t n);

#endif
