/* draw_numbers.c - see draw_numbers.h. */
#include "draw_numbers.h"

#include "draw_shape.h"
#include "draw_shapes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COLOURS = 12, LARGEST_SIDE = 32767 };

/* White on each of them has a contrast of 4.5 (WCAG 2) at least. */
static const gm_colour dark[COLOURS] = {
    {0.72, 0.07, 0.12}, {0.05, 0.30, 0.65}, {0.05, 0.42, 0.17}, {0.45, 0.10, 0.55},
    {0.55, 0.30, 0.05}, {0.00, 0.40, 0.45}, {0.70, 0.05, 0.45}, {0.20, 0.20, 0.20},
    {0.30, 0.20, 0.65}, {0.35, 0.38, 0.05}, {0.45, 0.05, 0.15}, {0.05, 0.25, 0.40}};

/* A light casing around the dark core shows it on any background. */
static void draw_line(cairo_t *cr, const gm_number_disc *d, gm_colour colour, double diameter) {
  double width = fmax(1.5, diameter / 10);
  for (int core = 0; core < 2; core++) {
    gm_draw_source(cr, core ? colour : (gm_colour){1, 1, 1}, 1);
    cairo_new_path(cr);
    cairo_move_to(cr, d->x, d->y);
    cairo_line_to(cr, d->to_x, d->to_y);
    cairo_set_line_width(cr, core ? width : width + 2);
    cairo_stroke(cr);
    cairo_arc(cr, d->to_x, d->to_y, core ? width : width + 1, 0, 2 * 3.141592653589793);
    cairo_fill(cr);
  }
}

/* The ring is inside the diameter, so that neighbours never cover each other. */
static void draw_disc(cairo_t *cr, const gm_number_disc *d, gm_colour colour, double diameter) {
  double ring = fmax(1, diameter / 16);
  for (int core = 0; core < 2; core++) {
    gm_draw_source(cr, core ? colour : (gm_colour){1, 1, 1}, 1);
    cairo_new_path(cr);
    cairo_arc(cr, d->x, d->y, diameter / 2 - (core ? ring : 0), 0, 2 * 3.141592653589793);
    cairo_fill(cr);
  }
}

/* Figures are 0.73 em high and 0.7 em wide. */
static gm_status draw_number(cairo_t *cr, const gm_number_disc *d, double diameter,
                             gm_error *err) {
  char text[16];
  snprintf(text, sizeof text, "%u", d->number);
  double font = diameter * (d->number < 10 ? 0.78 : 0.6);
  const gm_span_colour whole = {.struct_size = sizeof whole, .end = strlen(text)}; /* bold */
  gm_letters letters;
  gm_line line = {0};
  gm_status status = gm_letters_read(&letters, text, sizeof text, &whole, 1, err);
  if (status == GM_OK) status = gm_line_shape(&line, &letters, 0, letters.n, font, err);
  if (status == GM_OK) {
    gm_draw_source(cr, (gm_colour){1, 1, 1}, 1);
    gm_line_show(&line, 0, line.n_runs, cr, d->x - line.width / 2, d->y + 0.365 * font);
  }
  gm_line_free(&line);
  gm_letters_free(&letters);
  return status;
}

static gm_status draw_discs(const gm_canvas *canvas, const gm_number_disc *discs, size_t n,
                            double diameter, gm_error *err) {
  for (size_t i = 0; i < n; i++) /* below all discs */
    if (discs[i].line)
      draw_line(canvas->cr, &discs[i], dark[(discs[i].number - 1) % COLOURS], diameter);
  for (size_t i = 0; i < n; i++) {
    draw_disc(canvas->cr, &discs[i], dark[(discs[i].number - 1) % COLOURS], diameter);
    GM_TRY(draw_number(canvas->cr, &discs[i], diameter, err));
  }
  return GM_OK;
}

gm_status gm_draw_numbers(gm_text *out, const gm_image *image, const gm_number_disc *discs,
                          size_t n, double diameter, gm_error *err) {
  gm_canvas canvas = {0};
  const gm_draw_sink sink = {.memory = out};
  if (image->width > LARGEST_SIDE || image->height > LARGEST_SIDE)
    return gm_fail(err, GM_ERR_ARGUMENT, "found a picture of %u x %u, wanted sides up to %d",
                   image->width, image->height, LARGEST_SIDE);
  gm_status status = gm_canvas_create(&canvas, image->width, image->height, err);
  if (status == GM_OK)
    status = gm_canvas_paint(&canvas, image, 0, 0, image->width, image->height, err);
  if (status == GM_OK) status = draw_discs(&canvas, discs, n, diameter, err);
  if (status == GM_OK) status = gm_canvas_write(&canvas, GM_FORMAT_PNG, &sink, err);
  gm_canvas_free(&canvas);
  return status;
}

/* ---- a page ---- */

static double scale_of(const gm_canvas *canvas, double width) {
  return width / cairo_image_surface_get_width(canvas->surface);
}

/* Of the row that begins with canvas `first`. */
static double row_height(const gm_canvas *canvases, size_t n, size_t first, size_t columns,
                         double width) {
  double height = 0;
  for (size_t i = first; i < n && i < first + columns; i++)
    height = fmax(height, scale_of(&canvases[i], width) *
                              cairo_image_surface_get_height(canvases[i].surface));
  return height;
}

gm_status gm_draw_sheet(gm_text *out, const gm_canvas *canvases, size_t n, size_t columns,
                        double width, gm_error *err) {
  const double gap = 16;
  const gm_draw_sink sink = {.memory = out};
  gm_canvas page = {0};
  double height = gap, y = gap;
  for (size_t i = 0; i < n; i += columns)
    height += row_height(canvases, n, i, columns, width) + gap;
  gm_status status = gm_canvas_create(&page, (double)columns * (width + gap) + gap,
                                      fmin(height, LARGEST_SIDE), err);
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    double scale = scale_of(&canvases[i], width);
    cairo_save(page.cr);
    cairo_translate(page.cr, gap + (double)(i % columns) * (width + gap), y);
    cairo_scale(page.cr, scale, scale);
    cairo_set_source_surface(page.cr, canvases[i].surface, 0, 0);
    cairo_paint(page.cr);
    cairo_restore(page.cr);
    if (i % columns + 1 == columns)
      y += row_height(canvases, n, i + 1 - columns, columns, width) + gap;
  }
  if (status == GM_OK) status = gm_canvas_write(&page, GM_FORMAT_PNG, &sink, err);
  gm_canvas_free(&page);
  return status;
}
