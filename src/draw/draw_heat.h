/* draw_heat.h - paints where on a picture a score, or the lead over another class, comes from.
 */
#ifndef GM_DRAW_HEAT_H
#define GM_DRAW_HEAT_H

#include "draw_canvas.h"
#include "palette.h"

/* One per crop. */
typedef struct gm_heat_part {
  gm_box box; /* pixels of the canvas */
  double share;
} gm_heat_part;

/* The colour of a value. is_signed: -1 against .. 0 nothing .. 1 for; else 0 nothing .. 1 the
 * most. */
gm_colour gm_heat_colour(double value, bool is_signed);
/* How much the colour covers the picture. A signed 0 covers nothing. */
double gm_heat_cover(double value, bool is_signed);

/* Turns the canvas's upper left part, width x height, grey and paints the heat over it: every
 * crop adds its share to its pixels. *most is the largest absolute sum. Errors: GM_ERR_MEMORY.
 */
gm_status gm_heat_paint(const gm_canvas *canvas, size_t width, size_t height,
                        const gm_heat_part *parts, size_t n, bool is_signed, double *most,
                        gm_error *err);

#endif
