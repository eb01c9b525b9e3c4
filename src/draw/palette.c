/* palette.c - see palette.h. */
#include "palette.h"

#include <math.h>

gm_colour gm_palette_colour(int32_t index) {
  static const uint32_t colours[GM_PALETTE_COLOURS] = {0xE69F00, 0x56B4E9, 0x009E73,
                                                       0xCC79A7, 0x0072B2, 0xD55E00};
  uint32_t c = colours[(uint32_t)index % GM_PALETTE_COLOURS];
  return (gm_colour){(c >> 16) / 255.0, (c >> 8 & 255) / 255.0, (c & 255) / 255.0};
}

int gm_palette_line(int32_t index) {
  return (int)((uint32_t)index / GM_PALETTE_COLOURS % GM_PALETTE_LINES);
}

static double linear(double v) {
  return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

gm_colour gm_palette_ink(gm_colour c) {
  double luminance = 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b);
  /* (1 + 0.05) / (L + 0.05) = (L + 0.05) / (0 + 0.05) at L = 0.179 */
  double v = luminance > 0.179 ? 0.0 : 1.0;
  return (gm_colour){v, v, v};
}
