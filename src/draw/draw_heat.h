/* draw_heat.h - where on a picture a score, or the lead over another class, comes from. */
#ifndef GM_DRAW_HEAT_H
#define GM_DRAW_HEAT_H

#include "draw_canvas.h"
#include "palette.h"

/* One of each crop. */
typedef struct gm_heat_part {
  gm_box box; /* pixels of the canvas */
  double share;
} gm_heat_part;

/* What colours mean. signed: -1 against .. 0 nothing .. 1 for; else 0 nothing .. 1 the most. */
gm_colour gm_heat_colour(double value, bool is_signed);
/* How much of the picture the colour covers there: of signed ones none where nothing is. */
double gm_heat_cover(double value, bool is_signed);

/* Turns the canvas's upper left part, width x height, grey and lays the heat over it: every
 * crop lays its share on its pixels. *most is the largest sum, the sign left out. Errors:
 * GM_ERR_MEMORY. */
gm_status gm_heat_paint(const gm_canvas *canvas, size_t width, size_t height,
                        const gm_heat_part *parts, size_t n, bool is_signed, double *most,
                        gm_error *err);

#endif
