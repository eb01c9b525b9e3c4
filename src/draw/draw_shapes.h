/* draw_shapes.h - the few cairo calls that boxes, labels and captions share. */
#ifndef GM_DRAW_SHAPES_H
#define GM_DRAW_SHAPES_H

#include "draw_tags.h"
#include "palette.h"

#include <cairo.h>

static inline void gm_draw_source(cairo_t *cr, gm_colour c, double alpha) {
  cairo_set_source_rgba(cr, c.r, c.g, c.b, alpha);
}

/* Makes a rectangle with round corners the current path. */
static inline void gm_draw_round(cairo_t *cr, gm_rect r, double radius) {
  const double quarter = 1.5707963267948966;
  if (radius > r.w / 2) radius = r.w / 2;
  if (radius > r.h / 2) radius = r.h / 2;
  cairo_new_path(cr);
  cairo_arc(cr, r.x + r.w - radius, r.y + radius, radius, -quarter, 0);
  cairo_arc(cr, r.x + r.w - radius, r.y + r.h - radius, radius, 0, quarter);
  cairo_arc(cr, r.x + radius, r.y + r.h - radius, radius, quarter, 2 * quarter);
  cairo_arc(cr, r.x + radius, r.y + radius, radius, 2 * quarter, 3 * quarter);
  cairo_close_path(cr);
}

#endif
