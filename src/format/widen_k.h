/* widen_k.h - ggml's K types as f32: loops over runs of one scale, which compilers turn into
 * vector instructions. Static, because each instruction set's kernels compile it for
 * themselves; types.c does so without contraction, and has ggml's bits. */
#ifndef GM_WIDEN_K_H
#define GM_WIDEN_K_H

#include "half.h"
#include "quantise_k.h"

static void widen_q4_k(float *restrict y, const void *x, size_t n) {
  const gm_block_q4_k *b = x;
  for (size_t i = 0; i < n / 256; i++) {
    float d = gm_f16_to_f32(b[i].d), dmin = gm_f16_to_f32(b[i].dmin);
    for (unsigned s = 0; s < 8; s++, y += 32) {
      uint8_t scale, min;
      gm_q4_k_scale_min(b[i].scales, s, &scale, &min);
      float step = d * (float)scale, offset = dmin * (float)min;
      const uint8_t *levels = b[i].qs + s / 2 * 32;
      unsigned shift = s % 2 * 4;
      for (size_t j = 0; j < 32; j++) y[j] = step * (float)(levels[j] >> shift & 15) - offset;
    }
  }
}

static void widen_q6_k(float *restrict y, const void *x, size_t n) {
  const gm_block_q6_k *b = x;
  for (size_t i = 0; i < n / 256; i++) {
    float d = gm_f16_to_f32(b[i].d);
    for (unsigned s = 0; s < 16; s++, y += 16) {
      float step = d * (float)b[i].scales[s];
      int levels[16];
      gm_q6_k_levels(&b[i], s, levels);
      for (size_t j = 0; j < 16; j++) y[j] = step * (float)levels[j];
    }
  }
}

#endif
