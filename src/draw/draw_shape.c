/* draw_shape.c - see draw_shape.h. HarfBuzz shapes each run in units of its font, which scale
 * to any size. Cairo is told not to round advances. */
#include "draw_shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- runs ---- */

typedef struct shaper {
  gm_line *line;
  const gm_letters *letters;
  size_t begin, end; /* of the line */
  hb_buffer_t *buffer;
  gm_error *err;
} shaper;

static hb_script_t script_of(const gm_letters *letters, const gm_letter *letter) {
  hb_unicode_funcs_t *unicode = hb_unicode_funcs_get_default();
  for (size_t i = letter->begin; i < letter->end; i++) {
    hb_script_t script = hb_unicode_script(unicode, letters->chars[i]);
    if (script != HB_SCRIPT_COMMON && script != HB_SCRIPT_INHERITED) return script;
  }
  return HB_SCRIPT_COMMON;
}

/* Divides the line's letters into runs; letters without a script of their own join the run
 * before. */
static void divide(gm_run *runs, size_t *n, hb_script_t *scripts, const shaper *s) {
  *n = 0;
  for (size_t i = s->begin; i < s->end; i++) {
    const gm_letter *l = &s->letters->at[i];
    bool bold = l->colour != GM_COLOUR_NONE;
    const gm_font *font = gm_font_for(s->letters->chars + l->begin, l->end - l->begin, bold);
    hb_script_t script = script_of(s->letters, l);
    gm_run *last = *n ? &runs[*n - 1] : NULL;
    hb_script_t *its = *n ? &scripts[*n - 1] : NULL;
    if (last && last->font == font && last->level == l->level && last->span == l->span &&
        (*its == script || script == HB_SCRIPT_COMMON || *its == HB_SCRIPT_COMMON)) {
      if (*its == HB_SCRIPT_COMMON) *its = script;
      last->end = i + 1;
      continue;
    }
    scripts[*n] = script;
    runs[(*n)++] = (gm_run){.font = font,
                            .begin = i,
                            .end = i + 1,
                            .level = l->level,
                            .colour = l->colour,
                            .span = l->span};
  }
}

static void reverse(gm_run *runs, size_t n) {
  for (size_t i = 0; i < n / 2; i++) {
    gm_run kept = runs[i];
    runs[i] = runs[n - 1 - i];
    runs[n - 1 - i] = kept;
  }
}

/* Rule L2 of the bidirectional algorithm: from the highest level to the lowest odd one, every
 * run of letters of at least that level is reversed. */
static void order(gm_run *runs, size_t n) {
  int highest = 0;
  for (size_t i = 0; i < n; i++)
    if (runs[i].level > highest) highest = runs[i].level;
  for (int level = highest; level > 0; level--)
    for (size_t begin = 0; begin < n; begin++) {
      size_t end = begin;
      while (end < n && runs[end].level >= level) end++;
      if (end == begin) continue;
      reverse(runs + begin, end - begin);
      begin = end;
    }
}

/* ---- glyphs ---- */

static gm_glyph *add_glyph(shaper *s) {
  gm_line *line = s->line;
  if (line->n_glyphs == line->room) {
    size_t room = 2 * line->room + 32;
    gm_glyph *grown = realloc(line->glyphs, room * sizeof *grown);
    if (!grown) return NULL;
    line->glyphs = grown;
    line->room = room;
  }
  line->glyphs[line->n_glyphs] = (gm_glyph){0};
  return &line->glyphs[line->n_glyphs++];
}

static gm_status fail(const shaper *s) {
  return gm_fail_memory(s->err, "the glyphs of a text", s->line->n_glyphs * sizeof(gm_glyph));
}

/* A box holds the code point's digits, 4 or 6 of them, in two rows. */
static double missing_width(uint32_t c, double font_size) {
  return (c > 0xFFFF ? 1.0 : 0.76) * font_size;
}

static void set_missing(gm_glyph *glyph, uint32_t c, double font_size) {
  glyph->id = 0;
  glyph->missing = c;
  glyph->dx = glyph->dy = 0;
  glyph->advance = missing_width(c, font_size);
}

static size_t letter_at(const gm_letters *letters, size_t begin, size_t end, size_t at) {
  while (end - begin > 1) {
    size_t middle = begin + (end - begin) / 2;
    if (letters->at[middle].begin <= at)
      begin = middle;
    else
      end = middle;
  }
  return begin;
}

/* The line's text before and after the run decides joined forms at its ends. */
static gm_status shape_run(shaper *s, gm_run *run, hb_script_t script) {
  const gm_letters *letters = s->letters;
  const uint32_t *chars = letters->chars;
  size_t line_begin = letters->at[s->begin].begin, line_end = letters->at[s->end - 1].end;
  size_t from = letters->at[run->begin].begin, to = letters->at[run->end - 1].end;
  hb_buffer_clear_contents(s->buffer);
  hb_buffer_add_utf32(s->buffer, chars + line_begin, (int)(line_end - line_begin),
                      (unsigned)(from - line_begin), (int)(to - from));
  hb_buffer_set_direction(s->buffer, run->level % 2 ? HB_DIRECTION_RTL : HB_DIRECTION_LTR);
  hb_buffer_set_script(s->buffer, script);
  hb_shape(run->font->hb, s->buffer, NULL, 0);
  if (!hb_buffer_allocation_successful(s->buffer)) return fail(s);
  unsigned n;
  const hb_glyph_info_t *infos = hb_buffer_get_glyph_infos(s->buffer, &n);
  const hb_glyph_position_t *at = hb_buffer_get_glyph_positions(s->buffer, NULL);
  double scale = s->line->font_size / run->font->units;
  for (unsigned i = 0; i < n; i++) {
    gm_glyph *glyph = add_glyph(s);
    if (!glyph) return fail(s);
    size_t c = line_begin + infos[i].cluster;
    *glyph = (gm_glyph){.id = infos[i].codepoint,
                        .letter = letter_at(letters, run->begin, run->end, c),
                        .advance = at[i].x_advance * scale,
                        .dx = at[i].x_offset * scale,
                        .dy = -at[i].y_offset * scale};
    if (glyph->id == 0) set_missing(glyph, chars[c], s->line->font_size);
  }
  return GM_OK;
}

/* Cairo's own strokes, for a machine without fonts. */
static cairo_scaled_font_t *scaled_strokes(const gm_run *run, double font_size) {
  cairo_matrix_t size, none;
  cairo_matrix_init_scale(&size, font_size, font_size);
  cairo_matrix_init_identity(&none);
  cairo_font_options_t *options = cairo_font_options_create();
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
  cairo_scaled_font_t *font = cairo_scaled_font_create(run->font->face, &size, &none, options);
  cairo_font_options_destroy(options);
  return font;
}

static void set_stroke(gm_glyph *glyph, uint32_t c, cairo_scaled_font_t *font) {
  const char text[2] = {(char)c, 0};
  cairo_glyph_t *made = NULL;
  cairo_text_extents_t extents;
  int n = 0;
  if (c < 0x20 || c > 0x7E ||
      cairo_scaled_font_text_to_glyphs(font, 0, 0, text, 1, &made, &n, NULL, NULL, NULL) !=
          CAIRO_STATUS_SUCCESS)
    return;
  if (n == 1) {
    cairo_scaled_font_glyph_extents(font, made, 1, &extents);
    glyph->id = (uint32_t)made->index;
    glyph->advance = extents.x_advance;
  }
  cairo_glyph_free(made);
}

static gm_status stroke_run(shaper *s, const gm_run *run) {
  cairo_scaled_font_t *font = scaled_strokes(run, s->line->font_size);
  gm_status status = GM_OK;
  size_t first = s->line->n_glyphs;
  for (size_t k = run->begin; k < run->end && status == GM_OK; k++)
    for (size_t i = s->letters->at[k].begin; i < s->letters->at[k].end; i++) {
      gm_glyph *glyph = add_glyph(s);
      if (!glyph) {
        status = fail(s);
        break;
      }
      glyph->letter = k;
      set_missing(glyph, s->letters->chars[i], s->line->font_size);
      set_stroke(glyph, s->letters->chars[i], font);
    }
  cairo_scaled_font_destroy(font);
  gm_glyph *glyphs = s->line->glyphs + first;
  for (size_t i = 0, n = s->line->n_glyphs - first; run->level % 2 && i < n / 2; i++) {
    gm_glyph kept = glyphs[i];
    glyphs[i] = glyphs[n - 1 - i];
    glyphs[n - 1 - i] = kept;
  }
  return status;
}

/* Shapes the runs in the text's order, then puts them in visual order. */
static gm_status shape(shaper *s, hb_script_t *scripts) {
  gm_line *line = s->line;
  divide(line->runs, &line->n_runs, scripts, s);
  for (size_t i = 0; i < line->n_runs; i++) {
    gm_run *run = &line->runs[i];
    run->glyphs = line->n_glyphs;
    GM_TRY(run->font->hb ? shape_run(s, run, scripts[i]) : stroke_run(s, run));
    run->n_glyphs = line->n_glyphs - run->glyphs;
    for (size_t k = 0; k < run->n_glyphs; k++)
      run->width += line->glyphs[run->glyphs + k].advance;
    line->width += run->width;
  }
  order(line->runs, line->n_runs);
  return GM_OK;
}

gm_status gm_line_shape(gm_line *out, const gm_letters *letters, size_t begin, size_t end,
                        double font_size, gm_error *err) {
  size_t n = end - begin;
  *out = (gm_line){.font_size = font_size};
  if (n == 0) return GM_OK;
  out->runs = malloc(n * sizeof *out->runs);
  hb_script_t *scripts = malloc(n * sizeof *scripts);
  shaper s = {out, letters, begin, end, hb_buffer_create(), err};
  gm_status status = out->runs && scripts ? shape(&s, scripts) : fail(&s);
  hb_buffer_destroy(s.buffer);
  free(scripts);
  return status;
}

void gm_line_free(gm_line *line) {
  free(line->runs);
  free(line->glyphs);
  *line = (gm_line){0};
}

/* ---- drawing ---- */

/* A box with the code point's digits in two rows. */
static void show_missing(const gm_run *run, const gm_glyph *glyph, cairo_t *cr, double size,
                         double x, double baseline) {
  char digits[16];
  size_t n = (size_t)snprintf(digits, sizeof digits, glyph->missing > 0xFFFF ? "%06X" : "%04X",
                              (unsigned)glyph->missing);
  double w = glyph->advance - 0.1 * size, h = 0.86 * size, line = 0.05 * size;
  double left = x + 0.05 * size, top = baseline - 0.78 * size, small = 0.36 * size;
  cairo_set_line_width(cr, line);
  cairo_rectangle(cr, left + line / 2, top + line / 2, w - line, h - line);
  cairo_stroke(cr);
  cairo_set_font_face(cr, run->font->face);
  cairo_set_font_size(cr, small);
  for (size_t row = 0; row < 2; row++) {
    char text[8];
    cairo_text_extents_t extents;
    snprintf(text, sizeof text, "%.*s", (int)(n / 2), digits + row * (n / 2));
    cairo_text_extents(cr, text, &extents);
    cairo_move_to(cr, left + (w - extents.x_advance) / 2, top + h * (row ? 0.88 : 0.46));
    cairo_show_text(cr, text);
  }
}

static double show_run(const gm_line *line, const gm_run *run, cairo_t *cr, double x,
                       double baseline) {
  enum { AT_ONCE = 128 };
  cairo_glyph_t glyphs[AT_ONCE];
  size_t i = 0;
  while (i < run->n_glyphs) {
    int n = 0;
    const gm_glyph *missing = NULL;
    for (; i < run->n_glyphs && n < AT_ONCE && !missing; i++) {
      const gm_glyph *g = &line->glyphs[run->glyphs + i];
      if (g->id == 0)
        missing = g;
      else
        glyphs[n++] = (cairo_glyph_t){g->id, x + g->dx, baseline + g->dy};
      x += g->advance;
    }
    cairo_set_font_face(cr, run->font->face);
    cairo_set_font_size(cr, line->font_size);
    cairo_show_glyphs(cr, glyphs, n);
    if (missing)
      show_missing(run, missing, cr, line->font_size, x - missing->advance, baseline);
  }
  return x;
}

double gm_line_show(const gm_line *line, size_t begin, size_t end, cairo_t *cr, double x,
                    double baseline) {
  gm_fonts_lock();
  for (size_t i = begin; i < end; i++) x = show_run(line, &line->runs[i], cr, x, baseline);
  gm_fonts_unlock();
  return x;
}

/* ---- measuring ---- */

gm_status gm_letters_measure(gm_letters *letters, double font_size, gm_error *err) {
  gm_line line;
  gm_status status = gm_line_shape(&line, letters, 0, letters->n, font_size, err);
  for (size_t i = 0; i < letters->n; i++) letters->at[i].advance = 0;
  for (size_t i = 0; i < line.n_glyphs; i++)
    letters->at[line.glyphs[i].letter].advance += line.glyphs[i].advance;
  gm_line_free(&line);
  return status;
}

/* How many letters fit beside an ellipsis, by their advances in the whole line. */
static size_t letters_in(const gm_letters *letters, double font_size, double width) {
  double used = font_size; /* an ellipsis, about */
  size_t n = 0;
  while (n + 1 < letters->n && used + letters->at[n].advance <= width)
    used += letters->at[n++].advance;
  return n;
}

gm_status gm_line_fit(gm_line *out, gm_letters *letters, double font_size, double width,
                      gm_error *err) {
  gm_status status = gm_line_shape(out, letters, 0, letters->n, font_size, err);
  if (status != GM_OK || out->width <= width || letters->n == 0) return status;
  GM_TRY(gm_letters_measure(letters, font_size, err));
  size_t n = letters_in(letters, font_size, width);
  do {
    gm_line_free(out);
    GM_TRY(gm_letters_cut(letters, n, err));
    GM_TRY(gm_line_shape(out, letters, 0, letters->n, font_size, err));
    n = letters->n - 1;
  } while (out->width > width && n-- > 0);
  return GM_OK;
}
