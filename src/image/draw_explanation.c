/* draw_explanation.c - PICTURE + EXPLANATION -> PNG: gm_draw_explanation of the public
 * header.
 *
 *   left    the picture in grey under a heat map of where the score comes from: every crop lays
 *           its share on its pixels; and the outlines of the crops with the largest shares
 *   right   the label, its scores, the descriptions with the largest shares as bars, and the
 *           heat map's key
 *
 * In grey, since colours of the picture's own would be taken for heat. */
#include "draw_canvas.h"
#include "draw_shape.h"
#include "draw_shapes.h"
#include "image.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 640, PANEL = 560, MAX_TEXTS = 12, MAX_BOXES = 5, MAX_LETTERS = 200 };

static const gm_colour ink = {0.13, 0.14, 0.16}, bar = {0.34, 0.7, 0.91};

/* From no share to the largest, each lighter than the one before: told apart without colours
 * too. */
static const gm_colour heat[] = {
    {0.05, 0.03, 0.25}, {0.45, 0.08, 0.45}, {0.85, 0.28, 0.25}, {1, 0.62, 0.1}, {1, 0.96, 0.5}};
enum { HEATS = sizeof heat / sizeof heat[0] };
#define HEAT_COVERS 0.65 /* of the grey picture */

typedef struct explanation_drawing {
  const gm_image *image;
  const gm_explanation *e;
  const gm_label *label;
  gm_canvas canvas;
  size_t width, height; /* of the picture as drawn */
  size_t *order;        /* room for crops or texts in the order of their shares */
} explanation_drawing;

/* ---- order ---- */

static int by_share(float a, float b, size_t i, size_t k) {
  return a != b ? (a > b ? -1 : 1) : (i > k) - (i < k);
}

static int by_crop_share(const void *a, const void *b, void *crops) {
  size_t i = *(const size_t *)a, k = *(const size_t *)b;
  const gm_crop_share *c = crops;
  return by_share(c[i].share, c[k].share, i, k);
}

static int by_text_share(const void *a, const void *b, void *texts) {
  size_t i = *(const size_t *)a, k = *(const size_t *)b;
  const gm_text_share *t = texts;
  return by_share(t[i].share, t[k].share, i, k);
}

static void number(size_t *order, size_t n) {
  for (size_t i = 0; i < n; i++) order[i] = i;
}

/* ---- picture ---- */

/* share: 0 .. 1 */
static gm_colour heat_of(double share) {
  double at = fmin(fmax(share, 0), 1) * (HEATS - 1);
  size_t i = (size_t)fmin(at, HEATS - 2);
  double t = at - (double)i;
  const gm_colour *a = &heat[i], *b = &heat[i + 1];
  return (gm_colour){a->r + t * (b->r - a->r), a->g + t * (b->g - a->g),
                     a->b + t * (b->b - a->b)};
}

static uint32_t mixed(double grey, double colour) {
  return (uint32_t)lround((1 - HEAT_COVERS) * grey + HEAT_COVERS * 255 * colour);
}

/* map[rows][columns]: the shares that lie on each pixel, largest the largest of them. */
static void paint_heat(const gm_canvas *canvas, const float *map, size_t columns, size_t rows,
                       float largest) {
  cairo_surface_flush(canvas->surface);
  size_t stride = (size_t)cairo_image_surface_get_stride(canvas->surface);
  unsigned char *data = cairo_image_surface_get_data(canvas->surface);
  for (size_t y = 0; y < rows; y++)
    for (size_t x = 0; x < columns; x++) {
      uint32_t pixel;
      unsigned char *at = data + y * stride + x * 4;
      memcpy(&pixel, at, 4);
      double grey =
          0.299 * (pixel >> 16 & 255) + 0.587 * (pixel >> 8 & 255) + 0.114 * (pixel & 255);
      gm_colour c = heat_of((double)(map[y * columns + x] / largest));
      pixel = mixed(grey, c.r) << 16 | mixed(grey, c.g) << 8 | mixed(grey, c.b);
      memcpy(at, &pixel, 4);
    }
  cairo_surface_mark_dirty(canvas->surface);
}

static void draw_heat(const explanation_drawing *d, double scale) {
  float largest = 0;
  size_t columns = d->width, rows = d->height;
  float *map = calloc(columns * rows, sizeof *map);
  if (!map) return; /* the picture says less, and is right */
  for (size_t i = 0; i < d->e->n_crops; i++) {
    const gm_crop_share *c = &d->e->crops[i];
    size_t x1 = (size_t)((double)c->box.x1 * scale), x2 = (size_t)((double)c->box.x2 * scale);
    size_t y1 = (size_t)((double)c->box.y1 * scale), y2 = (size_t)((double)c->box.y2 * scale);
    for (size_t y = y1; y < y2 && y < rows; y++)
      for (size_t x = x1; x < x2 && x < columns; x++) map[y * columns + x] += c->share;
  }
  for (size_t i = 0; i < columns * rows; i++)
    if (map[i] > largest) largest = map[i];
  if (largest > 0) paint_heat(&d->canvas, map, columns, rows, largest);
  free(map);
}

static void draw_crops(const explanation_drawing *d, double scale) {
  size_t n = d->e->n_crops;
  number(d->order, n);
  qsort_r(d->order, n, sizeof *d->order, by_crop_share, d->e->crops);
  for (size_t k = n < MAX_BOXES ? n : MAX_BOXES; k-- > 0;) {
    gm_box b = d->e->crops[d->order[k]].box;
    cairo_rectangle(d->canvas.cr, (double)b.x1 * scale, (double)b.y1 * scale,
                    (double)(b.x2 - b.x1) * scale, (double)(b.y2 - b.y1) * scale);
    gm_draw_source(d->canvas.cr, (gm_colour){0, 0, 0}, 0.7);
    cairo_set_line_width(d->canvas.cr, 5);
    cairo_stroke_preserve(d->canvas.cr);
    gm_draw_source(d->canvas.cr, gm_palette_colour((int32_t)k), 1);
    cairo_set_line_width(d->canvas.cr, 3);
    cairo_stroke(d->canvas.cr);
  }
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

static gm_status draw_text(const explanation_drawing *d, const gm_text_share *t, double largest,
                           double x, double y, gm_error *err) {
  char amount[48];
  double room = PANEL - 40, length = largest > 0 ? room * (double)t->share / largest : 0;
  gm_draw_source(d->canvas.cr, bar, 1);
  cairo_rectangle(d->canvas.cr, x, y + 6, fmax(0, length), 8);
  cairo_fill(d->canvas.cr);
  snprintf(amount, sizeof amount, "%.4f", (double)t->share);
  GM_TRY(show(d, amount, 15, x, y, 70, err));
  return show(d, t->text, 15, x + 75, y, room - 75, err);
}

/* What the heat map's colours mean. */
static gm_status draw_key(const explanation_drawing *d, double x, double y, gm_error *err) {
  enum { STEPS = 100 };
  GM_TRY(show(d, "no share", 15, x, y, 80, err));
  for (int i = 0; i < STEPS; i++) {
    gm_draw_source(d->canvas.cr, heat_of(i / (double)(STEPS - 1)), 1);
    cairo_rectangle(d->canvas.cr, x + 80 + 2 * i, y - 12, 2, 14);
    cairo_fill(d->canvas.cr);
  }
  return show(d, "the largest part of the score", 15, x + 92 + 2 * STEPS, y,
              PANEL - 40 - 92 - 2 * STEPS, err);
}

static gm_status draw_panel(const explanation_drawing *d, gm_error *err) {
  char line[96];
  double x = (double)d->width + 20, y = 40;
  size_t n = d->e->n_texts;
  GM_TRY(show(d, d->label->name, 26, x, y, PANEL - 40, err));
  snprintf(line, sizeof line, "probability %.4f, score %.4f = the sum of all shares",
           (double)d->label->score, (double)d->e->raw_score);
  GM_TRY(show(d, line, 15, x, y + 30, PANEL - 40, err));
  snprintf(line, sizeof line, "%zu crops, %zu descriptions; the largest shares:", d->e->n_crops,
           n);
  GM_TRY(show(d, line, 15, x, y + 54, PANEL - 40, err));
  number(d->order, n);
  qsort_r(d->order, n, sizeof *d->order, by_text_share, d->e->texts);
  for (size_t k = 0; k < n && k < MAX_TEXTS; k++)
    GM_TRY(draw_text(d, &d->e->texts[d->order[k]], (double)d->e->texts[d->order[0]].share, x,
                     y + 90 + 38 * (double)k, err));
  return draw_key(d, x, SIDE - 18, err);
}

static gm_status draw(explanation_drawing *d, gm_error *err) {
  size_t w = d->image->width, h = d->image->height, longer = w > h ? w : h;
  double scale = (double)SIDE / (double)longer;
  d->width = (size_t)fmax(1, floor((double)w * scale));
  d->height = (size_t)fmax(1, floor((double)h * scale));
  size_t most = d->e->n_crops > d->e->n_texts ? d->e->n_crops : d->e->n_texts;
  d->order = calloc(most + 1, sizeof *d->order);
  if (!d->order) return gm_fail_memory(err, "a drawing", most * sizeof *d->order);
  GM_TRY(gm_canvas_create(&d->canvas, (double)(d->width + PANEL), SIDE, err));
  GM_TRY(gm_canvas_paint(&d->canvas, d->image, 0, 0, d->width, d->height, err));
  draw_heat(d, scale);
  cairo_save(d->canvas.cr);
  cairo_rectangle(d->canvas.cr, 0, 0, (double)d->width, (double)d->height);
  cairo_clip(d->canvas.cr); /* outlines end where the picture does */
  draw_crops(d, scale);
  cairo_restore(d->canvas.cr);
  return draw_panel(d, err);
}

static gm_status check_crops(const gm_image *image, const gm_explanation *e, gm_error *err) {
  float w = (float)image->width, h = (float)image->height;
  for (size_t i = 0; i < e->n_crops; i++) {
    const gm_box *b = &e->crops[i].box;
    if (!(b->x1 >= 0 && b->y1 >= 0 && b->x1 <= b->x2 && b->y1 <= b->y2 && b->x2 <= w &&
          b->y2 <= h))
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "crop %zu: found %g,%g,%g,%g on a picture of %ux%u pixels; wanted the "
                     "picture that was explained",
                     i + 1, (double)b->x1, (double)b->y1, (double)b->x2, (double)b->y2,
                     image->width, image->height);
  }
  return GM_OK;
}

gm_status gm_draw_explanation(const gm_image *image, const gm_explanation *explanation,
                              const gm_label *label, const char *path, gm_error *err) {
  GM_TRY(check_crops(image, explanation, err));
  explanation_drawing d = {.image = image, .e = explanation, .label = label};
  gm_status status = draw(&d, err);
  if (status == GM_OK) status = gm_canvas_write(&d.canvas, path, err);
  gm_canvas_free(&d.canvas);
  free(d.order);
  return status;
}
