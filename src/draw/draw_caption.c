/* draw_caption.c - see draw_caption.h. A chip is the visible part of a span in one line: it is
 * wider than its text by the padding at both ends. */
#include "draw_caption.h"

#include "draw_shapes.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_LETTERS = 20000 };

static double padding(const gm_caption_layout *c) {
  return 0.28 * c->font_size;
}

/* ---- wrapping ---- */

/* The letter's width in a line that begins at `begin`: the first letter of a span's run
 * includes the run's padding. */
static double width_in_line(const gm_caption_layout *c, size_t begin, size_t i) {
  const gm_letter *letters = c->letters.at;
  bool opens = letters[i].span >= 0 && (i == begin || letters[i - 1].span != letters[i].span);
  return letters[i].advance + (opens ? 2 * padding(c) : 0);
}

/* The end of the line that begins at `begin`, by the letters' advances. */
static size_t find_end(const gm_caption_layout *c, size_t begin) {
  const gm_letter *letters = c->letters.at;
  size_t last = begin, i = begin;
  double used = 0;
  for (; i < c->letters.n; i++) {
    used += width_in_line(c, begin, i);
    if (used > c->width && i > begin && !letters[i].space) break;
    if (letters[i].breaks) last = i + 1;
  }
  return i < c->letters.n && last > begin ? last : i;
}

/* Shapes letters [begin, end) as the next line; *fits is set. */
static gm_status try_line(gm_caption_layout *c, size_t begin, size_t end, bool *fits,
                          gm_error *err) {
  gm_line *line = &c->lines[c->n_lines++];
  GM_TRY(gm_line_shape(line, &c->letters, begin, end, c->font_size, err));
  *fits = gm_caption_width(c, c->n_lines - 1) <= c->width;
  return GM_OK;
}

static void take_back(gm_caption_layout *c) {
  gm_line_free(&c->lines[--c->n_lines]);
}

/* Adds letters [begin, end) without the spaces at their end. Joined forms at its ends, or chips
 * that reordering divides, may make the line wider than was measured; then it loses letters,
 * and *end is moved. */
static gm_status add_line(gm_caption_layout *c, size_t begin, size_t *end, gm_error *err) {
  const gm_letter *letters = c->letters.at;
  for (;;) {
    bool fits;
    size_t trimmed = *end;
    while (trimmed > begin + 1 && letters[trimmed - 1].space) trimmed--;
    GM_TRY(try_line(c, begin, trimmed, &fits, err));
    if (fits || trimmed == begin + 1) return GM_OK;
    take_back(c);
    *end = trimmed - 1;
    while (*end > begin && !letters[*end - 1].breaks) --*end;
    if (*end == begin) *end = trimmed - 1;
  }
}

/* Replaces letters [begin, end), which are left after the last line, by an ellipsis in it. */
static gm_status end_early(gm_caption_layout *c, size_t begin, size_t end, gm_error *err) {
  for (bool fits = false; !fits && end > begin;) {
    take_back(c);
    GM_TRY(gm_letters_cut(&c->letters, --end, err));
    end = c->letters.n - 1;
    if (end < begin) begin = end; /* spaces before the line are dropped too */
    GM_TRY(try_line(c, begin, end + 1, &fits, err));
  }
  return GM_OK;
}

static gm_status wrap(gm_caption_layout *c, size_t max_lines, gm_error *err) {
  const gm_letters *letters = &c->letters;
  size_t at = 0, begin = 0;
  while (at < letters->n && letters->at[at].space) at++;
  while (at < letters->n && c->n_lines < max_lines) {
    begin = at;
    at = find_end(c, begin);
    GM_TRY(add_line(c, begin, &at, err));
    while (at < letters->n && letters->at[at].space) at++;
  }
  return at < letters->n ? end_early(c, begin, at, err) : GM_OK;
}

gm_status gm_caption_lay_out(gm_caption_layout *out, const char *text,
                             const gm_span_colour *spans, size_t n_spans, double font_size,
                             double width, size_t max_lines, gm_error *err) {
  *out = (gm_caption_layout){
      .font_size = font_size, .line_height = 1.6 * font_size, .width = width};
  GM_TRY(gm_letters_read(&out->letters, text, MAX_LETTERS, spans, n_spans, err));
  size_t n = out->letters.n < max_lines ? out->letters.n : max_lines;
  out->lines = calloc(n + 1, sizeof *out->lines);
  if (!out->lines) return gm_fail_memory(err, "the lines of a caption", n * sizeof *out->lines);
  GM_TRY(gm_letters_measure(&out->letters, font_size, err));
  return wrap(out, max_lines, err);
}

void gm_caption_free(gm_caption_layout *caption) {
  for (size_t i = 0; i < caption->n_lines; i++) gm_line_free(&caption->lines[i]);
  gm_letters_free(&caption->letters);
  free(caption->lines);
  *caption = (gm_caption_layout){0};
}

/* ---- drawing ---- */

/* The end of the adjacent runs of run `begin`'s span. */
static size_t chip_end(const gm_line *line, size_t begin) {
  size_t end = begin + 1;
  while (end < line->n_runs && line->runs[end].span == line->runs[begin].span) end++;
  return end;
}

double gm_caption_width(const gm_caption_layout *c, size_t l) {
  const gm_line *line = &c->lines[l];
  double width = line->width;
  for (size_t begin = 0; begin < line->n_runs; begin = chip_end(line, begin))
    if (line->runs[begin].span >= 0) width += 2 * padding(c);
  return width;
}

/* Returns the x after it. */
static double draw_chip(const gm_caption_layout *c, const gm_line *line, size_t begin,
                        size_t end, cairo_t *cr, double x, double baseline) {
  const gm_run *first = &line->runs[begin];
  double width = 0, pad = 0;
  for (size_t i = begin; i < end; i++) width += line->runs[i].width;
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
  gm_line_show(line, begin, end, cr, x + pad, baseline);
  return x + width + 2 * pad;
}

void gm_caption_draw(const gm_caption_layout *c, cairo_t *cr, double x, double y) {
  for (size_t l = 0; l < c->n_lines; l++) {
    const gm_line *line = &c->lines[l];
    double at = x, baseline = y + (double)l * c->line_height + 1.12 * c->font_size;
    if (c->letters.from_right) at += c->width - gm_caption_width(c, l);
    for (size_t begin = 0; begin < line->n_runs;) {
      size_t end = chip_end(line, begin);
      at = draw_chip(c, line, begin, end, cr, at, baseline);
      begin = end;
    }
  }
}
