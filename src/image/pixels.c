/* pixels.c - see pixels.h. */
#include "pixels.h"

#include "image.h"
#include "resize.h"

#include <assert.h>
#include <stdlib.h>

void gm_pixels_normalise(float *out, const uint8_t *rgb, size_t n, const gm_pixel_norm *norm) {
  for (size_t channel = 0; channel < 3; channel++) {
    float value[256];
    for (int v = 0; v < 256; v++)
      value[v] = ((float)v / 255.0f - norm->mean[channel]) / norm->std[channel];
    for (size_t i = 0; i < n; i++) out[channel * n + i] = value[rgb[i * 3 + channel]];
  }
}

static gm_status resize_and_normalise(float *out, const gm_resize *r, const gm_pixel_norm *norm,
                                      gm_pool *pool, gm_error *err) {
  size_t n = r->view_width * r->view_height;
  assert(n > 0);
  uint8_t *rgb = malloc(n * 3);
  if (!rgb) return gm_fail_memory(err, "a resized picture", n * 3);
  gm_status status = gm_resize_bicubic(rgb, r, pool, err);
  if (status == GM_OK) gm_pixels_normalise(out, rgb, n, norm);
  free(rgb);
  return status;
}

gm_status gm_pixels_squash(float *out, const gm_image *image, size_t size,
                           const gm_pixel_norm *norm, gm_pool *pool, gm_error *err) {
  gm_resize r = gm_resize_whole(image->rgb, image->width, image->height, size, size);
  return resize_and_normalise(out, &r, norm, pool, err);
}

/* d / 2, rounded half to even, where torchvision begins a centre crop. */
static size_t half_to_even(size_t d) {
  return d / 2 + (d % 4 == 3);
}

gm_status gm_pixels_centre(float *out, const gm_image *image, const gm_crop *crop,
                           const gm_pixel_resize *resize, size_t size,
                           const gm_pixel_norm *norm, gm_pool *pool, gm_error *err) {
  size_t side = resize->size;
  gm_resize r = gm_resize_whole(image->rgb, image->width, image->height, side, side);
  if (crop) {
    r.crop_x = crop->x;
    r.crop_y = crop->y;
    r.crop_width = crop->width;
    r.crop_height = crop->height;
  }
  if (!resize->squash && r.crop_width < r.crop_height)
    r.height = side * r.crop_height / r.crop_width;
  else if (!resize->squash)
    r.width = side * r.crop_width / r.crop_height;
  assert(r.width >= size && r.height >= size);
  r.view_width = r.view_height = size;
  r.view_x = half_to_even(r.width - size);
  r.view_y = half_to_even(r.height - size);
  return resize_and_normalise(out, &r, norm, pool, err);
}
