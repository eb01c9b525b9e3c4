/* draw_heat.c - see draw_heat.h. The picture is grey, since its own colours could be taken for
 * heat. */
#include "draw_heat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* From nothing to the most; each is lighter than the one before, so they differ without colours
 * too. */
static const gm_colour heat[] = {
    {0.05, 0.03, 0.25}, {0.45, 0.08, 0.45}, {0.85, 0.28, 0.25}, {1, 0.62, 0.1}, {1, 0.96, 0.5}};
enum { HEATS = sizeof heat / sizeof heat[0] };
#define COVERS 0.65 /* how much the heat covers the grey picture */

/* Light orange and dark blue, which every kind of colour vision tells apart. */
static const gm_colour pro = {1, 0.62, 0.1}, contra = {0.1, 0.22, 0.72};
#define COVERS_SIGNED 0.8

static gm_colour between(gm_colour a, gm_colour b, double t) {
  return (gm_colour){a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b)};
}

gm_colour gm_heat_colour(double value, bool is_signed) {
  if (is_signed) return value < 0 ? contra : pro;
  double at = fmin(fmax(value, 0), 1) * (HEATS - 1);
  size_t i = (size_t)fmin(at, HEATS - 2);
  return between(heat[i], heat[i + 1], at - (double)i);
}

double gm_heat_cover(double value, bool is_signed) {
  return is_signed ? COVERS_SIGNED * fmin(fabs(value), 1) : COVERS;
}

static uint32_t mixed(double grey, double colour, double cover) {
  return (uint32_t)lround((1 - cover) * grey + cover * 255 * colour);
}

static void paint(const gm_canvas *canvas, const float *map, size_t width, size_t height,
                  double most, bool is_signed) {
  cairo_surface_flush(canvas->surface);
  size_t stride = (size_t)cairo_image_surface_get_stride(canvas->surface);
  unsigned char *data = cairo_image_surface_get_data(canvas->surface);
  for (size_t y = 0; y < height; y++)
    for (size_t x = 0; x < width; x++) {
      uint32_t pixel;
      unsigned char *at = data + y * stride + x * 4;
      memcpy(&pixel, at, 4);
      double grey =
          0.299 * (pixel >> 16 & 255) + 0.587 * (pixel >> 8 & 255) + 0.114 * (pixel & 255);
      double value = (double)map[y * width + x] / most;
      gm_colour c = gm_heat_colour(value, is_signed);
      double cover = gm_heat_cover(value, is_signed);
      pixel = mixed(grey, c.r, cover) << 16 | mixed(grey, c.g, cover) << 8 |
              mixed(grey, c.b, cover);
      memcpy(at, &pixel, 4);
    }
  cairo_surface_mark_dirty(canvas->surface);
}

static size_t pixel_of(float v, size_t size) {
  return v > 0 ? (size_t)fmin(round((double)v), (double)size) : 0;
}

static void lay(const gm_heat_part *part, float *map, size_t width, size_t height) {
  size_t x1 = pixel_of(part->box.x1, width), x2 = pixel_of(part->box.x2, width);
  size_t y2 = pixel_of(part->box.y2, height);
  for (size_t y = pixel_of(part->box.y1, height); y < y2; y++)
    for (size_t x = x1; x < x2; x++) map[y * width + x] += (float)part->share;
}

gm_status gm_heat_paint(const gm_canvas *canvas, size_t width, size_t height,
                        const gm_heat_part *parts, size_t n, bool is_signed, double *most,
                        gm_error *err) {
  size_t pixels = width * height;
  float *map = calloc(pixels, sizeof *map);
  if (!map) return gm_fail_memory(err, "a heat map", pixels * sizeof *map);
  for (size_t i = 0; i < n; i++) lay(&parts[i], map, width, height);
  *most = 0;
  for (size_t i = 0; i < pixels; i++) { /* gcc 12 for ARM fails on a loop of fmax */
    double size = fabs((double)map[i]);
    if (size > *most) *most = size;
  }
  paint(canvas, map, width, height, *most > 0 ? *most : 1, is_signed);
  free(map);
  return GM_OK;
}
