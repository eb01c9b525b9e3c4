/* draw_explanation.c - PICTURE + EXPLANATION -> CANVAS: see draw.h.
 *
 *   left    the picture under a heat map of where the lead over the other class, or the score,
 *           comes from, and the outlines of the crops that count most; with only one crop the
 *           plain picture
 *   right   the label, its scores, the descriptions that count most as bars, and the key */
#include "draw.h"

#include "draw_heat.h"
#include "draw_shape.h"
#include "draw_shapes.h"
#include "image.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SIDE = 640,
  PANEL = 600,
  MARGIN = 20,
  MAX_TEXTS = 11,
  MAX_BOXES = 5,
  MAX_LETTERS = 200,
  ROW = 38, /* a description and its bar */
};
#define ROOM (PANEL - 2.0 * MARGIN)

static const gm_colour ink = {0.13, 0.14, 0.16};

/* A bar: a description of either class. */
typedef struct bar {
  const gm_text_share *text;
  bool of_other;
  float value;
} bar;

typedef struct explanation_drawing {
  const gm_image *image;
  const gm_explanation *e;
  const gm_label *label;
  gm_canvas canvas;
  size_t width, height; /* of the picture as drawn */
  double x;             /* of the panel's text */
  bool compares;        /* with another class */
  gm_heat_part *parts;  /* [n_crops] on the canvas */
  gm_heat_part *sorted; /* [n_crops] largest share first */
  gm_text_share *texts; /* [all descriptions], those of the other class last */
  bar *bars;            /* [all descriptions] */
  size_t n_bars;
  double most; /* of the heat */
} explanation_drawing;

static bool has_heat(const explanation_drawing *d) {
  return d->e->n_crops > 1;
}

/* ---- what there is to draw ---- */

static int by_size(double a, double b) {
  return fabs(a) != fabs(b) ? (fabs(a) > fabs(b) ? -1 : 1) : (a < b) - (a > b);
}

static int by_part(const void *a, const void *b) {
  const gm_heat_part *x = a, *y = b;
  int order = by_size(x->share, y->share);
  if (order) return order;
  if (x->box.x1 != y->box.x1) return x->box.x1 < y->box.x1 ? -1 : 1;
  return (x->box.y1 > y->box.y1) - (x->box.y1 < y->box.y1);
}

static int by_bar(const void *a, const void *b) {
  const bar *x = a, *y = b;
  int order = by_size((double)x->value, (double)y->value);
  if (order) return order;
  if (x->of_other != y->of_other) return x->of_other ? 1 : -1;
  return (x->text > y->text) - (x->text < y->text);
}

static gm_status read_texts(explanation_drawing *d, gm_error *err) {
  const gm_explanation *e = d->e;
  size_t n = e->n_texts + e->n_against_texts;
  d->texts = calloc(n + 1, sizeof *d->texts);
  d->bars = calloc(n + 1, sizeof *d->bars);
  if (!d->texts || !d->bars) return gm_fail_memory(err, "a drawing", n * sizeof *d->texts);
  for (size_t i = 0; i < n; i++) {
    gm_text_share *text = &d->texts[i];
    bool of_other = i >= e->n_texts;
    text->struct_size = sizeof *text;
    GM_TRY(of_other ? gm_against_text_share_at(e, i - e->n_texts, text)
                    : gm_text_share_at(e, i, text));
    d->bars[d->n_bars++] = (bar){text, of_other, d->compares ? text->lead : text->share};
  }
  qsort(d->bars, d->n_bars, sizeof *d->bars, by_bar);
  return GM_OK;
}

static gm_status check_crop(const gm_image *image, const gm_box *b, size_t number,
                            gm_error *err) {
  float w = (float)image->width, h = (float)image->height;
  if (b->x1 >= 0 && b->y1 >= 0 && b->x1 <= b->x2 && b->y1 <= b->y2 && b->x2 <= w && b->y2 <= h)
    return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "crop %zu: found %g,%g,%g,%g on a picture of %ux%u pixels; wanted the "
                 "picture that was explained",
                 number, (double)b->x1, (double)b->y1, (double)b->x2, (double)b->y2,
                 image->width, image->height);
}

static gm_status read_crops(explanation_drawing *d, double scale, gm_error *err) {
  size_t n = d->e->n_crops;
  d->parts = calloc(2 * n + 1, sizeof *d->parts);
  if (!d->parts) return gm_fail_memory(err, "a drawing", 2 * n * sizeof *d->parts);
  d->sorted = d->parts + n;
  for (size_t i = 0; i < n; i++) {
    gm_crop_share c = {.struct_size = sizeof c};
    GM_TRY(gm_crop_share_at(d->e, i, &c));
    GM_TRY(check_crop(d->image, &c.box, i + 1, err));
    float s = (float)scale;
    d->parts[i] = (gm_heat_part){{c.box.x1 * s, c.box.y1 * s, c.box.x2 * s, c.box.y2 * s},
                                 (double)(d->compares ? c.lead : c.share)};
  }
  memcpy(d->sorted, d->parts, n * sizeof *d->sorted);
  qsort(d->sorted, n, sizeof *d->sorted, by_part);
  return GM_OK;
}

/* ---- picture ---- */

/* Clips the outlines to the picture. */
static void draw_crops(const explanation_drawing *d) {
  cairo_t *cr = d->canvas.cr;
  size_t n = d->e->n_crops;
  cairo_save(cr);
  cairo_rectangle(cr, 0, 0, (double)d->width, (double)d->height);
  cairo_clip(cr);
  for (size_t k = n < MAX_BOXES ? n : MAX_BOXES; k-- > 0;) {
    gm_box b = d->sorted[k].box;
    cairo_rectangle(cr, (double)b.x1, (double)b.y1, (double)(b.x2 - b.x1),
                    (double)(b.y2 - b.y1));
    gm_draw_source(cr, (gm_colour){0, 0, 0}, 0.7);
    cairo_set_line_width(cr, 5);
    cairo_stroke_preserve(cr);
    gm_draw_source(cr, gm_heat_colour(d->sorted[k].share > 0 ? 1 : -1, d->compares), 1);
    cairo_set_line_width(cr, 3);
    cairo_stroke(cr);
  }
  cairo_restore(cr);
}

static gm_status draw_picture(explanation_drawing *d, gm_error *err) {
  GM_TRY(gm_canvas_paint(&d->canvas, d->image, 0, 0, d->width, d->height, err));
  if (!has_heat(d)) return GM_OK;
  GM_TRY(gm_heat_paint(&d->canvas, d->width, d->height, d->parts, d->e->n_crops, d->compares,
                       &d->most, err));
  draw_crops(d);
  return GM_OK;
}

/* ---- panel ---- */

static gm_status show(const explanation_drawing *d, const char *text, double size, double x,
                      double baseline, double width, gm_error *err) {
  gm_letters letters;
  gm_line line = {0};
  gm_status status = gm_letters_read(&letters, text, MAX_LETTERS, NULL, 0, err);
  if (status == GM_OK) status = gm_line_fit(&line, &letters, size, width, err);
  gm_draw_source(d->canvas.cr, ink, 1);
  if (status == GM_OK) gm_line_show(&line, 0, line.n_runs, d->canvas.cr, x, baseline);
  gm_line_free(&line);
  gm_letters_free(&letters);
  return status;
}

/* Names and descriptions may have any length: show cuts those that do not fit between letters,
 * with an ellipsis. */
__attribute__((format(printf, 6, 7))) static gm_status show_made(const explanation_drawing *d,
                                                                 double x, double baseline,
                                                                 double width, gm_error *err,
                                                                 const char *format, ...) {
  char *text = NULL;
  va_list values;
  va_start(values, format);
  int n = vasprintf(&text, format, values);
  va_end(values);
  if (n < 0) return gm_fail_memory(err, "a line of a drawing", 1);
  gm_status status = show(d, text, 15, x, baseline, width, err);
  free(text);
  return status;
}

static gm_status show_line(const explanation_drawing *d, const char *text, double size,
                           double y, gm_error *err) {
  return show(d, text, size, d->x, y, ROOM, err);
}

static const char *plural(size_t n) {
  return n == 1 ? "" : "s";
}

static gm_status draw_head(const explanation_drawing *d, gm_error *err) {
  const gm_explanation *e = d->e;
  char line[160];
  size_t n = d->n_bars;
  GM_TRY(show_line(d, d->label->name, 26, 42, err));
  if (d->compares)
    GM_TRY(show_made(d, d->x, 70, ROOM, err, "score %.4f, %.4f more than %s",
                     (double)e->raw_score, (double)e->lead, e->against));
  else
    GM_TRY(show_made(d, d->x, 70, ROOM, err, "score %.4f", (double)e->raw_score));
  snprintf(line, sizeof line, "probability %.4f; %zu crop%s, %zu description%s",
           (double)d->label->score, e->n_crops, plural(e->n_crops), n, plural(n));
  GM_TRY(show_line(d, line, 15, 92, err));
  const char *what = d->compares ? "parts in the lead" : "parts of the score";
  snprintf(line, sizeof line,
           n > MAX_TEXTS ? "The descriptions with the largest %s:"
                         : "Descriptions and their %s:",
           what);
  return show_line(d, line, 15, 124, err);
}

/* In a comparison, bars for the label go to the right of the middle, bars against it to the
 * left. */
static gm_status draw_bar(const explanation_drawing *d, const bar *b, double largest, double y,
                          gm_error *err) {
  char amount[48];
  double value = largest > 0 ? (double)b->value / largest : 0;
  double from = d->compares ? d->x + ROOM / 2 : d->x, room = d->compares ? ROOM / 2 : ROOM;
  gm_draw_source(d->canvas.cr, gm_heat_colour(d->compares ? value : 0.75, d->compares), 1);
  cairo_rectangle(d->canvas.cr, from + fmin(0, value) * room, y + 6, fabs(value) * room, 8);
  cairo_fill(d->canvas.cr);
  gm_draw_source(d->canvas.cr, ink, 0.5);
  cairo_rectangle(d->canvas.cr, from - 0.5, y + 4, 1, 12);
  cairo_fill(d->canvas.cr);
  snprintf(amount, sizeof amount, d->compares ? "%+.5f" : "%.4f", (double)b->value);
  GM_TRY(show(d, amount, 15, d->x, y, 80, err));
  if (!d->compares) return show(d, b->text->text, 15, d->x + 85, y, ROOM - 85, err);
  return show_made(d, d->x + 85, y, ROOM - 85, err, "%s: %s",
                   b->of_other ? d->e->against : d->label->name, b->text->text);
}

/* The colours from least to most, as they look on grey. */
static gm_status draw_scale(const explanation_drawing *d, double y, gm_error *err) {
  enum { STEPS = 100, WIDE = 2 };
  char low[32], high[32];
  double x = d->x + 75, grey = 0.55;
  for (int i = 0; i < STEPS; i++) {
    double value = i / (double)(STEPS - 1);
    if (d->compares) value = 2 * value - 1;
    double cover = gm_heat_cover(value, d->compares);
    gm_draw_source(d->canvas.cr, (gm_colour){grey, grey, grey}, 1);
    cairo_rectangle(d->canvas.cr, x + WIDE * i, y - 12, WIDE, 14);
    cairo_fill_preserve(d->canvas.cr);
    gm_draw_source(d->canvas.cr, gm_heat_colour(value, d->compares), cover);
    cairo_fill(d->canvas.cr);
  }
  snprintf(low, sizeof low, d->compares ? "%+.4f" : "%.0f", d->compares ? -d->most : 0);
  snprintf(high, sizeof high, d->compares ? "%+.4f" : "%.4f", d->most);
  GM_TRY(show(d, low, 15, d->x, y, 70, err));
  GM_TRY(show(d, high, 15, x + WIDE * STEPS + 8, y, 80, err));
  return show(d, "sum of the crops there", 15, x + WIDE * STEPS + 90, y,
              ROOM - 75 - WIDE * STEPS - 90, err);
}

static gm_status draw_sample(const explanation_drawing *d, double sign, const char *name,
                             double x, double y, gm_error *err) {
  gm_draw_source(d->canvas.cr, gm_heat_colour(sign, true), 1);
  cairo_rectangle(d->canvas.cr, x, y - 11, 22, 12);
  cairo_fill(d->canvas.cr);
  return show_made(d, x + 30, y, ROOM / 2 - 40, err, "for %s", name);
}

/* Draws the key: the meaning of colours and outlines. */
static gm_status draw_key(const explanation_drawing *d, gm_error *err) {
  char text[96];
  size_t n = d->e->n_crops, outlined = n < MAX_BOXES ? n : MAX_BOXES;
  if (d->compares) {
    GM_TRY(draw_sample(d, 1, d->label->name, d->x, SIDE - 68, err));
    GM_TRY(draw_sample(d, -1, d->e->against, d->x + ROOM / 2, SIDE - 68, err));
  }
  if (!has_heat(d))
    return show_line(d, "One crop: nothing on the picture to compare it with.", 15, SIDE - 42,
                     err);
  GM_TRY(draw_scale(d, SIDE - 42, err));
  snprintf(text, sizeof text, "Outlined: the %zu crops with the largest parts.", outlined);
  return show_line(d, text, 15, SIDE - 16, err);
}

static gm_status draw_panel(const explanation_drawing *d, gm_error *err) {
  GM_TRY(draw_head(d, err));
  double largest = d->n_bars ? fabs((double)d->bars[0].value) : 0;
  for (size_t k = 0; k < d->n_bars && k < MAX_TEXTS; k++)
    GM_TRY(draw_bar(d, &d->bars[k], largest, 152 + ROW * (double)k, err));
  return draw_key(d, err);
}

static gm_status draw(explanation_drawing *d, gm_error *err) {
  size_t w = d->image->width, h = d->image->height, longer = w > h ? w : h;
  double scale = (double)SIDE / (double)longer;
  d->width = (size_t)fmax(1, floor((double)w * scale));
  d->height = (size_t)fmax(1, floor((double)h * scale));
  d->x = (double)d->width + MARGIN;
  d->compares = d->e->against != NULL;
  GM_TRY(read_crops(d, scale, err));
  GM_TRY(read_texts(d, err));
  GM_TRY(gm_canvas_create(&d->canvas, (double)(d->width + PANEL), SIDE, err));
  GM_TRY(draw_picture(d, err));
  return draw_panel(d, err);
}

gm_status gm_draw_explained(gm_canvas *out, const gm_image *image,
                            const gm_explanation *explanation, const gm_label *label,
                            gm_error *err) {
  explanation_drawing d = {.image = image, .e = explanation, .label = label};
  gm_status status = draw(&d, err);
  *out = d.canvas;
  free(d.parts);
  free(d.texts);
  free(d.bars);
  return status;
}
