/* run_chart.c - see run_chart.h. */
#include "run_chart.h"

#include "draw_caption.h"
#include "draw_shapes.h"
#include "run_png.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 3, WIDTH = 380, HEIGHT = 230, LEFT = 64, RIGHT = 16, TOP = 34, BOTTOM = 30 };
#define FONT 12

typedef struct panel {
  cairo_t *cr;
  double x, y;              /* of its upper left corner */
  double x0, x1, low, high; /* ranges of the axes */
  gm_error *err;
} panel;

static gm_status label(const panel *p, const char *text, double font, double x, double y,
                       double align) {
  gm_caption_layout l = {0};
  gm_status status = gm_caption_lay_out(&l, text, NULL, 0, font, WIDTH, 1, p->err);
  if (status == GM_OK && l.n_lines) {
    gm_draw_source(p->cr, (gm_colour){0.15, 0.15, 0.15}, 1);
    gm_caption_draw(&l, p->cr, x - align * gm_caption_width(&l, 0), y);
  }
  gm_caption_free(&l);
  return status;
}

static double at_x(const panel *p, double v) {
  return p->x + LEFT + (v - p->x0) / (p->x1 - p->x0) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const panel *p, double v) {
  return p->y + TOP + (p->high - v) / (p->high - p->low) * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, so that the range has 3 to 7 steps. */
static double step_of(double range) {
  double power = pow(10, floor(log10(range / 3))), times = range / 3 / power;
  return power * (times >= 5 ? 5 : times >= 2 ? 2 : 1);
}

static void find_ranges(panel *p, const gm_chart *c, size_t column) {
  p->x0 = p->low = INFINITY;
  p->x1 = p->high = -INFINITY;
  for (size_t i = 0; i < c->n; i++) {
    double x = c->rows[i * c->columns], v = c->rows[i * c->columns + column];
    p->x0 = fmin(p->x0, x);
    p->x1 = fmax(p->x1, x);
    if (!isfinite(v)) continue;
    p->low = fmin(p->low, v);
    p->high = fmax(p->high, v);
  }
  if (!(p->high >= p->low)) p->low = p->high = 0;
  /* Values that differ by rounding are one, or steps could vanish beside them. */
  double range = p->high - p->low, size = fmax(fabs(p->low), fabs(p->high));
  double room = range > 1e-9 * size ? 0.05 * range : 0.5 * size + 1e-9;
  p->low -= room;
  p->high += room;
  if (!(p->x1 > p->x0)) p->x1 = p->x0 + 1;
}

static gm_status draw_axes(const panel *p) {
  char text[32];
  double step = step_of(p->high - p->low);
  cairo_set_line_width(p->cr, 1);
  for (double v = ceil(p->low / step) * step; v <= p->high; v += step) {
    if (fabs(v) < step / 2) v = 0;
    gm_draw_source(p->cr, (gm_colour){0, 0, 0}, 0.12);
    cairo_move_to(p->cr, p->x + LEFT, at_y(p, v));
    cairo_line_to(p->cr, p->x + WIDTH - RIGHT, at_y(p, v));
    cairo_stroke(p->cr);
    snprintf(text, sizeof text, "%.4g", v);
    GM_TRY(label(p, text, FONT, p->x + LEFT - 6, at_y(p, v) - 9, 1));
  }
  snprintf(text, sizeof text, "%.0f", p->x0);
  GM_TRY(label(p, text, FONT, p->x + LEFT, p->y + HEIGHT - BOTTOM + 4, 0));
  snprintf(text, sizeof text, "%.0f", p->x1);
  return label(p, text, FONT, p->x + WIDTH - RIGHT, p->y + HEIGHT - BOTTOM + 4, 1);
}

static void draw_curve(const panel *p, const gm_chart *c, size_t column) {
  bool begun = false;
  gm_draw_source(p->cr, (gm_colour){0, 0.28, 0.55}, 1);
  cairo_set_line_width(p->cr, 2);
  for (size_t i = 0; i < c->n; i++) {
    double x = at_x(p, c->rows[i * c->columns]), v = c->rows[i * c->columns + column];
    if (!isfinite(v)) continue;
    if (begun) cairo_line_to(p->cr, x, at_y(p, v));
    cairo_stroke(p->cr);
    cairo_arc(p->cr, x, at_y(p, v), 2.5, 0, 6.2831853);
    cairo_fill(p->cr);
    cairo_move_to(p->cr, x, at_y(p, v));
    begun = true;
  }
  cairo_new_path(p->cr);
}

static gm_status draw_all(const gm_canvas *canvas, const gm_chart *c, gm_error *err) {
  for (size_t i = c->first; i < c->columns; i++) {
    size_t place = i - c->first;
    panel p = {.cr = canvas->cr,
               .x = (double)(place % COLUMNS) * WIDTH,
               .y = (double)(place / COLUMNS) * HEIGHT,
               .err = err};
    find_ranges(&p, c, i);
    GM_TRY(label(&p, c->names[i], FONT + 3, p.x + LEFT, p.y + 8, 0));
    GM_TRY(draw_axes(&p));
    draw_curve(&p, c, i);
  }
  return GM_OK;
}

gm_status gm_chart_write(const gm_chart *c, const char *path, gm_error *err) {
  size_t n = c->columns - c->first, columns = n < COLUMNS ? n : COLUMNS;
  gm_canvas canvas = {0};
  if (!c->n || !n) return GM_OK;
  gm_status status = gm_canvas_create(&canvas, (double)columns * WIDTH,
                                      (double)((n + COLUMNS - 1) / COLUMNS) * HEIGHT, err);
  if (status == GM_OK) status = draw_all(&canvas, c, err);
  if (status == GM_OK) status = gm_png_write(&canvas, path, err);
  gm_canvas_free(&canvas);
  return status;
}
