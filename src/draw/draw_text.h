/* draw_text.h - untrusted text as letters with line breaks and directions. A letter is a
 * grapheme cluster: an accented letter, a syllable, a flag.
 *
 * Invalid UTF-8, control characters and characters that force a writing direction become
 * U+FFFD; white space becomes a space. draw_shape.h makes glyphs of letters. */
#ifndef GM_DRAW_TEXT_H
#define GM_DRAW_TEXT_H

#include "gromatic_tools.h"
#include "status.h"

enum { GM_COLOUR_NONE = -1 };

typedef struct gm_letter {
  size_t begin, end; /* code points */
  bool space;
  bool breaks;    /* a line may end after it */
  int8_t level;   /* of the bidirectional algorithm; odd: right to left */
  int32_t colour; /* of its span, set in bold on that colour; or GM_COLOUR_NONE */
  int32_t span;   /* index of its span, which separates neighbours of one colour; -1: none */
  double advance; /* pixels, from gm_letters_measure */
} gm_letter;

typedef struct gm_letters {
  gm_letter *at;
  size_t n;
  uint32_t *chars; /* code points of all letters */
  size_t n_chars;
  bool from_right; /* the text as a whole runs from right to left */
} gm_letters;

/* Reads at most max letters of text; an ellipsis stands for the rest. Spans are byte ranges of
 * text; where they overlap, the first is used. Free with gm_letters_free, after a failure too.
 * Errors: GM_ERR_MEMORY. */
gm_status gm_letters_read(gm_letters *out, const char *text, size_t max,
                          const gm_span_colour *spans, size_t n_spans, gm_error *err);
void gm_letters_free(gm_letters *letters);

/* Keeps the first n < letters->n letters, without the spaces at their end, and appends an
 * ellipsis. */
gm_status gm_letters_cut(gm_letters *letters, size_t n, gm_error *err);

#endif
