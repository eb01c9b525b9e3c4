/* draw_caption.h - a caption wrapped into lines, its spans set in bold on their colours. */
#ifndef GM_DRAW_CAPTION_H
#define GM_DRAW_CAPTION_H

#include "draw_shape.h"

typedef struct gm_caption_layout {
  gm_letters letters;
  gm_line *lines;
  size_t n_lines;
  double font_size, line_height, width;
} gm_caption_layout;

/* Wraps text at spaces and between characters of Chinese and Japanese, or inside words longer
 * than a line, never inside a letter, into lines of at most width pixels (or one letter); text
 * that does not fit in max_lines (>= 1) becomes an ellipsis. Free with gm_caption_free, after a
 * failure too. Errors: GM_ERR_MEMORY. */
gm_status gm_caption_lay_out(gm_caption_layout *out, const char *text,
                             const gm_span_colour *spans, size_t n_spans, double font_size,
                             double width, size_t max_lines, gm_error *err);
void gm_caption_free(gm_caption_layout *caption);

/* Width of line l with the padding of its chips. */
double gm_caption_width(const gm_caption_layout *caption, size_t l);

/* Draws the lines with their upper left corner at (x, y); lines of a right-to-left text are
 * aligned to the right. */
void gm_caption_draw(const gm_caption_layout *caption, cairo_t *cr, double x, double y);

#endif
