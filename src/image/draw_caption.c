/* draw_caption.c - see draw_caption.h. A run is a stretch of one line inside one span, or
 * outside of all: a span's run is a coloured chip, which is wider than its text by the padding
 * at both ends. */
#include "draw_caption.h"

#include "draw_shapes.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_LETTERS = 20000 };

static double padding(const gm_caption_layout *c) {
  return 0.28 * c->font_size;
}

/* The letter's width in a line that begins at `begin`: the first of a span's run brings the
 * run's padding. */
static double width_in_line(const gm_caption_layout *c, size_t begin, size_t i) {
  const gm_letter *letters = c->letters.at;
  bool opens = letters[i].span >= 0 && (i == begin || letters[i - 1].span != letters[i].span);
  return letters[i].advance + (opens ? 2 * padding(c) : 0);
}

/* The line that begins at `begin`; returns where the next begins. */
static size_t wrap_line(const gm_caption_layout *c, size_t begin, double width,
                        gm_caption_line *line) {
  const gm_letter *letters = c->letters.at;
  size_t n = c->letters.n, space = 0, i = begin;
  double used = 0;
  for (; i < n; i++) {
    used += width_in_line(c, begin, i);
    if (letters[i].space) space = i;
    if (used > width && i > begin && !letters[i].space) break;
  }
  *line = (gm_caption_line){begin, i};
  if (i < n && space > begin) line->end = space;
  size_t next = line->end;
  while (line->end > begin && letters[line->end - 1].space) line->end--;
  while (next < n && letters[next].space) next++;
  return next;
}

gm_status gm_caption_lay_out(gm_caption_layout *out, const char *text,
                             const gm_span_colour *spans, size_t n_spans, cairo_t *cr,
                             double font_size, double width, size_t max_lines, gm_error *err) {
  *out = (gm_caption_layout){.font_size = font_size, .line_height = 1.6 * font_size};
  GM_TRY(gm_letters_read(&out->letters, text, MAX_LETTERS, spans, n_spans, err));
  size_t n = out->letters.n, bytes = (n + 1) * sizeof *out->lines;
  out->lines = malloc(bytes);
  if (!out->lines) return gm_fail_memory(err, "the lines of a caption", bytes);
  gm_letters_measure(&out->letters, cr, font_size);
  size_t at = 0;
  while (at < n && out->letters.at[at].space) at++;
  while (at < n && out->n_lines < max_lines)
    at = wrap_line(out, at, width, &out->lines[out->n_lines++]);
  if (at < n) {
    gm_letter *last = &out->letters.at[out->lines[out->n_lines - 1].end - 1];
    memcpy(last->utf8, "\xE2\x80\xA6", 4);
  }
  return GM_OK;
}

void gm_caption_free(gm_caption_layout *caption) {
  gm_letters_free(&caption->letters);
  free(caption->lines);
  caption->lines = NULL;
}

/* Letters [begin, end) of one run; returns the x behind it. */
static double draw_run(const gm_caption_layout *c, size_t begin, size_t end, cairo_t *cr,
                       double x, double baseline) {
  const gm_letter *first = &c->letters.at[begin];
  double width = gm_letters_width(&c->letters, begin, end), pad = 0;
  if (first->span >= 0) {
    pad = padding(c);
    gm_colour colour = gm_palette_colour(first->colour);
    gm_draw_round(
        cr, (gm_rect){x, baseline - 1.02 * c->font_size, width + 2 * pad, 1.34 * c->font_size},
        0.25 * c->font_size);
    gm_draw_source(cr, colour, 1);
    cairo_fill(cr);
    gm_draw_source(cr, gm_palette_ink(colour), 1);
  } else {
    gm_draw_source(cr, (gm_colour){0.13, 0.14, 0.16}, 1);
  }
  gm_letters_show(&c->letters, begin, end, cr, c->font_size, x + pad, baseline);
  return x + width + 2 * pad;
}

void gm_caption_draw(const gm_caption_layout *c, cairo_t *cr, double x, double y) {
  for (size_t l = 0; l < c->n_lines; l++) {
    double at = x, baseline = y + (double)l * c->line_height + 1.12 * c->font_size;
    for (size_t begin = c->lines[l].begin; begin < c->lines[l].end;) {
      size_t end = begin + 1;
      while (end < c->lines[l].end && c->letters.at[end].span == c->letters.at[begin].span)
        end++;
      at = draw_run(c, begin, end, cr, at, baseline);
      begin = end;
    }
  }
}
