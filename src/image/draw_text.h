/* draw_text.h - untrusted text as letters that can be measured, wrapped and drawn.
 *
 * Invalid UTF-8, control characters and characters that turn the writing direction become
 * U+FFFD, white space a space. Letters are set one by one, without shaping: right for the
 * alphabetic scripts that the font has, a box for what it has not. */
#ifndef GM_DRAW_TEXT_H
#define GM_DRAW_TEXT_H

#include "status.h"

#include <cairo.h>

enum { GM_COLOUR_NONE = -1 };

typedef struct gm_letter {
  char utf8[5];
  bool space;
  int32_t colour; /* of the span it is in: set in bold on that colour; or GM_COLOUR_NONE */
  int32_t span;   /* which span, so that neighbours of one colour stay apart; -1: none */
  double advance; /* pixels, from gm_letters_measure */
} gm_letter;

typedef struct gm_letters {
  gm_letter *at;
  size_t n;
} gm_letters;

/* At most max letters of text, an ellipsis for the rest. Spans are byte ranges of text; where
 * they overlap the first counts. Free with gm_letters_free. Errors: GM_ERR_MEMORY. */
gm_status gm_letters_read(gm_letters *out, const char *text, size_t max,
                          const gm_span_colour *spans, size_t n_spans, gm_error *err);
void gm_letters_free(gm_letters *letters);

/* Fills in the advances for the font size. */
void gm_letters_measure(gm_letters *letters, cairo_t *cr, double font_size);
double gm_letters_width(const gm_letters *letters, size_t begin, size_t end);

/* Shortens to the width with an ellipsis; at least that is left. Measures by itself. */
void gm_letters_elide(gm_letters *letters, cairo_t *cr, double font_size, double width);

/* Draws letters [begin, end) with their left end at (x, baseline) in the current source. */
void gm_letters_show(const gm_letters *letters, size_t begin, size_t end, cairo_t *cr,
                     double font_size, double x, double baseline);

#endif
