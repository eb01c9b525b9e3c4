/* palette.h - colours that people with any kind of colour vision tell apart (Okabe and Ito
 * 2008), in the order of the terminal's: yellow, cyan, green, magenta, blue, red. After these
 * six, boxes use them again with dashed and dotted lines. */
#ifndef GM_PALETTE_H
#define GM_PALETTE_H

#include <stdbool.h>
#include <stdint.h>

enum { GM_PALETTE_COLOURS = 6, GM_PALETTE_LINES = 3 };

typedef struct gm_colour {
  double r, g, b; /* 0..1, sRGB */
} gm_colour;

/* Any index has a colour. */
gm_colour gm_palette_colour(int32_t index);
/* 0 solid, 1 dashed, 2 dotted. */
int gm_palette_line(int32_t index);
/* Black or white, whichever has the greater contrast (WCAG 2) to text on this colour. */
gm_colour gm_palette_ink(gm_colour background);

#endif
