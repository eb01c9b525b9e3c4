/* k_scales.h - unpacks the scales of Q4_K blocks. Static, for every instruction set. */
#ifndef GM_K_SCALES_H
#define GM_K_SCALES_H

#include <stdint.h>
#include <string.h>

/* scales[0..7] and mins[0..7], 6 bits each, from the 12 bytes of a block. The first four scales
 * are the low 6 bits of bytes 0..3, the first four mins those of bytes 4..7. The last four
 * scales have their low 4 bits in the low halves of bytes 8..11, the last four mins in the high
 * halves; their upper 2 bits are those of bytes 0..3 and 4..7. Little endian. */
static inline void gm_q4_k_scales(uint8_t scales[8], uint8_t mins[8],
                                  const uint8_t packed[12]) {
  uint32_t a[3], s[2], m[2];
  memcpy(a, packed, 12);
  s[0] = a[0] & 0x3F3F3F3F;
  m[0] = a[1] & 0x3F3F3F3F;
  s[1] = (a[2] & 0x0F0F0F0F) | (a[0] >> 2 & 0x30303030);
  m[1] = (a[2] >> 4 & 0x0F0F0F0F) | (a[1] >> 2 & 0x30303030);
  memcpy(scales, s, 8);
  memcpy(mins, m, 8);
}

#endif
