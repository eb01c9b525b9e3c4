/* draw_shape.h - letters -> glyphs in visual order, with the widths of the drawing. */
#ifndef GM_DRAW_SHAPE_H
#define GM_DRAW_SHAPE_H

#include "draw_fonts.h"
#include "draw_text.h"

typedef struct gm_glyph {
  uint32_t id;      /* in the run's font; 0: none */
  uint32_t missing; /* if id is 0: the code point, drawn as a box with its number */
  size_t letter;
  double advance, dx, dy; /* pixels, dy down */
} gm_glyph;

/* Letters of one font, script, direction and span. */
typedef struct gm_run {
  const gm_font *font;
  size_t begin, end; /* letters */
  size_t glyphs, n_glyphs;
  int8_t level;
  int32_t colour, span;
  double width;
} gm_run;

/* A line of letters. */
typedef struct gm_line {
  gm_run *runs; /* from left to right */
  size_t n_runs;
  gm_glyph *glyphs; /* of each run from left to right */
  size_t n_glyphs, room;
  double font_size, width;
} gm_line;

/* Shapes letters [begin, end) as one line. Free with gm_line_free in any case. Errors:
 * GM_ERR_MEMORY. */
gm_status gm_line_shape(gm_line *out, const gm_letters *letters, size_t begin, size_t end,
                        double font_size, gm_error *err);
void gm_line_free(gm_line *line);

/* Draws runs [begin, end) with their left end at (x, baseline) in the current source; returns
 * the right end. */
double gm_line_show(const gm_line *line, size_t begin, size_t end, cairo_t *cr, double x,
                    double baseline);

/* Fills in the advances for the font size, as if all were one line. */
gm_status gm_letters_measure(gm_letters *letters, double font_size, gm_error *err);

/* One line of at most width pixels, shortened with an ellipsis, which is always kept. */
gm_status gm_line_fit(gm_line *out, gm_letters *letters, double font_size, double width,
                      gm_error *err);

#endif
