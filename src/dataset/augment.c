/* augment.c - see augment.h. */
#include "augment.h"

#include "bilinear.h"
#include "sizes.h"

#include <stdlib.h>

enum { LONGEST = 4200, CROP_FROM = 448, CROP_TO = 896 };
static const size_t short_sides[] = {400, 500, 600};

static size_t scaled(size_t side, double scale) {
  return gm_max_size((size_t)((double)side * scale + 0.5), 1);
}

/* Uniform in min(side, 448)..min(side, 896). */
static size_t draw_crop(size_t side, gm_rng *rng) {
  size_t from = gm_min_size(side, CROP_FROM), to = gm_min_size(side, CROP_TO);
  return from + gm_rng_below(rng, to - from + 1);
}

gm_augmentation gm_augmentation_draw(size_t width, size_t height, gm_rng *rng) {
  size_t shorter = gm_min_size(width, height), longer = gm_max_size(width, height);
  double scale = (double)short_sides[gm_rng_below(rng, 3)] / (double)shorter,
         most = (double)LONGEST / (double)longer;
  if (scale > most) scale = most;
  gm_augmentation a = {.width = scaled(width, scale), .height = scaled(height, scale)};
  a.crop_height = draw_crop(a.height, rng);
  a.crop_width = draw_crop(a.width, rng);
  a.crop_y = gm_rng_below(rng, a.height - a.crop_height + 1);
  a.crop_x = gm_rng_below(rng, a.width - a.crop_width + 1);
  a.flip = gm_rng_unit(rng) < 0.5;
  return a;
}

/* ---- boxes ---- */

static double clamp(double x, double high) {
  return x < 0 ? 0 : x > high ? high : x;
}

/* The range [low, high] of a side, relative to the whole picture, becomes one of the crop,
 * relative to it. */
static void crop_range(double *low, double *high, size_t whole, size_t from, size_t size) {
  double n = (double)size;
  *low = clamp(*low * (double)whole - (double)from, n) / n;
  *high = clamp(*high * (double)whole - (double)from, n) / n;
}

static bool is_large_enough(double w, double h, size_t side, gm_source source) {
  w *= (double)side;
  h *= (double)side;
  if (source == GM_SOURCE_SA1B) return w * h > 14 * 14 && w * h < 400 * 400;
  return w > 2 && h > 2;
}

size_t gm_augmentation_boxes(const gm_augmentation *a, gm_rel_box *boxes, size_t n, size_t side,
                             gm_source source) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    double cx = boxes[i].cx, cy = boxes[i].cy, w = boxes[i].w, h = boxes[i].h;
    double x1 = cx - w / 2, x2 = cx + w / 2, y1 = cy - h / 2, y2 = cy + h / 2;
    crop_range(&x1, &x2, a->width, a->crop_x, a->crop_width);
    crop_range(&y1, &y2, a->height, a->crop_y, a->crop_height);
    if (!is_large_enough(x2 - x1, y2 - y1, side, source)) continue;
    if (a->flip) {
      double mirrored = 1 - x2;
      x2 = 1 - x1;
      x1 = mirrored;
    }
    boxes[kept++] = (gm_rel_box){(float)((x1 + x2) / 2), (float)((y1 + y2) / 2),
                                 (float)(x2 - x1), (float)(y2 - y1)};
  }
  return kept;
}

size_t gm_boxes_large_enough(gm_rel_box *boxes, size_t n, size_t side, gm_source source) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++)
    if (is_large_enough(boxes[i].w, boxes[i].h, side, source)) boxes[kept++] = boxes[i];
  return kept;
}

/* ---- pixels ---- */

static void mirror(uint8_t *rgb, size_t side) {
  for (size_t y = 0; y < side; y++) {
    uint8_t *row = rgb + 3 * side * y;
    for (size_t x = 0; x < side / 2; x++)
      for (size_t c = 0; c < 3; c++) {
        uint8_t *left = &row[3 * x + c], *right = &row[3 * (side - 1 - x) + c], swap = *left;
        *left = *right;
        *right = swap;
      }
  }
}

gm_status gm_augmentation_pixels(float *pixels, const gm_augmentation *a, const gm_image *image,
                                 size_t side, const gm_pixel_norm *norm, gm_error *err) {
  gm_resize first = gm_resize_whole(gm_image_rgb(image), gm_image_width(image),
                                    gm_image_height(image), a->width, a->height);
  first.view_x = a->crop_x;
  first.view_y = a->crop_y;
  first.view_width = a->crop_width;
  first.view_height = a->crop_height;
  size_t bytes = 3 * a->crop_width * a->crop_height;
  uint8_t *crop = malloc(bytes), *square = malloc(3 * side * side);
  gm_status status = crop && square ? gm_picture_bilinear(crop, &first, err)
                                    : gm_fail_memory(err, "a picture", bytes);
  if (status == GM_OK) {
    gm_resize second = gm_resize_whole(crop, a->crop_width, a->crop_height, side, side);
    status = gm_picture_bilinear(square, &second, err);
  }
  if (status == GM_OK) {
    if (a->flip) mirror(square, side);
    gm_pixels_normalise(pixels, square, side * side, norm);
  }
  free(crop);
  free(square);
  return status;
}
