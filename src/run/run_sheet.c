/* run_sheet.c - see run_sheet.h. */
#include "run_sheet.h"

#include "draw_canvas.h"
#include "draw_caption.h"
#include "draw_shapes.h"
#include "run_png.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 4, SIDE = 320, GAP = 12, FONT = 13, TITLE = 34, LINES = 9, MOST_BOXES = 400 };

/* ---- cells ---- */

gm_status gm_sheet_picture(gm_sheet_cell *cell, const float *pixels, size_t side,
                           const gm_pixel_norm *norm, gm_error *err) {
  size_t n = side * side;
  cell->side = side;
  cell->rgb = malloc(3 * n);
  if (!cell->rgb) return gm_fail_memory(err, "a drawing", 3 * n);
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < 3; k++) {
      float v = 255 * (pixels[k * n + i] * norm->std[k] + norm->mean[k]);
      cell->rgb[3 * i + k] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5f);
    }
  return GM_OK;
}

gm_status gm_sheet_boxes(gm_sheet_cell *cell, const gm_rel_box *boxes, size_t n, bool given,
                         gm_error *err) {
  if (n > MOST_BOXES - cell->n_boxes) n = MOST_BOXES - cell->n_boxes;
  size_t bytes = (cell->n_boxes + n + 1) * sizeof *cell->boxes;
  gm_sheet_box *grown = realloc(cell->boxes, bytes);
  if (!grown) return gm_fail_memory(err, "a drawing", bytes);
  cell->boxes = grown;
  for (size_t i = 0; i < n; i++)
    cell->boxes[cell->n_boxes++] = (gm_sheet_box){.box = boxes[i], .given = given};
  return GM_OK;
}

void gm_sheet_cell_free(gm_sheet_cell *cell) {
  free(cell->rgb);
  free(cell->boxes);
  free(cell->text);
  *cell = (gm_sheet_cell){0};
}

/* ---- drawing ---- */

static gm_status draw_text(cairo_t *cr, const char *text, double font, double x, double y,
                           double width, size_t lines, double *height, gm_error *err) {
  gm_caption_layout layout = {0};
  gm_status status = gm_caption_lay_out(&layout, text, NULL, 0, font, width, lines, err);
  if (status == GM_OK && cr) {
    gm_draw_source(cr, (gm_colour){0, 0, 0}, 1);
    gm_caption_draw(&layout, cr, x, y);
  }
  if (status == GM_OK && height) *height = (double)layout.n_lines * layout.line_height;
  gm_caption_free(&layout);
  return status;
}

/* The lines of a cell's text, each laid out by itself. */
static gm_status draw_lines(cairo_t *cr, const char *text, double x, double y, double *height,
                            gm_error *err) {
  *height = 0;
  while (text && *text) {
    size_t n = strcspn(text, "\n");
    char *line = strndup(text, n);
    double used = 0;
    if (!line) return gm_fail_memory(err, "a drawing", n);
    gm_status status = draw_text(cr, line, FONT, x, y + *height, SIDE, LINES / 3, &used, err);
    free(line);
    GM_TRY(status);
    *height += used;
    text += n + (text[n] == '\n');
  }
  return GM_OK;
}

/* Given boxes are wide and dark blue, answered ones thin and orange on top. */
static void draw_box(cairo_t *cr, const gm_sheet_box *b, double x, double y) {
  gm_corners c = gm_rel_box_corners(b->box);
  double x1 = fmin(fmax(c.x1, 0), 1), y1 = fmin(fmax(c.y1, 0), 1), x2 = fmin(fmax(c.x2, 0), 1),
         y2 = fmin(fmax(c.y2, 0), 1);
  if (!(x2 >= x1 && y2 >= y1)) return;
  double width = b->given ? 4 : 1.6;
  cairo_rectangle(cr, x + SIDE * x1, y + SIDE * y1, SIDE * (x2 - x1), SIDE * (y2 - y1));
  gm_draw_source(cr, (gm_colour){1, 1, 1}, 0.7);
  cairo_set_line_width(cr, width + 1.6);
  cairo_stroke_preserve(cr);
  gm_draw_source(cr, b->given ? (gm_colour){0, 0.28, 0.55} : (gm_colour){0.9, 0.4, 0}, 1);
  cairo_set_line_width(cr, width);
  cairo_stroke(cr);
}

static gm_status draw_cell(const gm_canvas *canvas, const gm_sheet_cell *cell, double x,
                           double y, gm_error *err) {
  const gm_image image = {
      .width = (uint32_t)cell->side, .height = (uint32_t)cell->side, .rgb = cell->rgb};
  double height;
  if (cell->rgb) GM_TRY(gm_canvas_paint(canvas, &image, (size_t)x, (size_t)y, SIDE, SIDE, err));
  cairo_save(canvas->cr);
  cairo_rectangle(canvas->cr, x, y, SIDE, SIDE);
  cairo_clip(canvas->cr);
  for (int given = 1; given >= 0; given--)
    for (size_t i = 0; i < cell->n_boxes; i++)
      if (cell->boxes[i].given == (bool)given) draw_box(canvas->cr, &cell->boxes[i], x, y);
  cairo_restore(canvas->cr);
  return draw_lines(canvas->cr, cell->text, x, y + SIDE + 4, &height, err);
}

static gm_status row_height(const gm_sheet_cell *cells, size_t n, double *out, gm_error *err) {
  double most = 0;
  for (size_t i = 0; i < n; i++) {
    double height;
    GM_TRY(draw_lines(NULL, cells[i].text, 0, 0, &height, err));
    most = fmax(most, height);
  }
  *out = ceil(SIDE + 4 + most + GAP);
  return GM_OK;
}

gm_status gm_sheet_write(const gm_sheet_cell *cells, size_t n, const char *title,
                         const char *path, gm_error *err) {
  double tops[GM_SHEET_CELLS + 1] = {TITLE + GAP};
  size_t rows = (n + COLUMNS - 1) / COLUMNS, columns = n < COLUMNS ? n : COLUMNS;
  gm_canvas canvas = {0};
  if (!n) return GM_OK;
  for (size_t r = 0; r < rows; r++) {
    size_t first = r * COLUMNS, in_row = n - first < COLUMNS ? n - first : COLUMNS;
    GM_TRY(row_height(cells + first, in_row, &tops[r + 1], err));
    tops[r + 1] += tops[r];
  }
  double width = fmax((double)columns * (SIDE + GAP) + GAP, 2 * SIDE);
  gm_status status = gm_canvas_create(&canvas, width, tops[rows], err);
  if (status == GM_OK)
    status = draw_text(canvas.cr, title, FONT + 3, GAP, GAP, width - 2 * GAP, 1, NULL, err);
  for (size_t i = 0; i < n && status == GM_OK; i++)
    status = draw_cell(&canvas, &cells[i], GAP + (double)(i % COLUMNS) * (SIDE + GAP),
                       tops[i / COLUMNS], err);
  if (status == GM_OK) status = gm_png_write(&canvas, path, err);
  gm_canvas_free(&canvas);
  return status;
}
