/* pixels.h - PICTURE -> PIXELS: resized and normalised, planar float [3, S, S], the input of
 * the vision encoders: (x / 255 - mean) / std. */
#ifndef GM_PIXELS_H
#define GM_PIXELS_H

#include "status.h"
#include "threads.h"

/* Per channel, in units of 0..1: image_mean and image_std of preprocessor_config.json. */
typedef struct gm_pixel_norm {
  float mean[3], std[3];
} gm_pixel_norm;

/* A part of a picture: [x, x + width) by [y, y + height). */
typedef struct gm_crop {
  uint32_t x, y, width, height;
} gm_crop;

/* rgb[n][3] -> out[3][n]. */
void gm_pixels_normalise(float *out, const uint8_t *rgb, size_t n, const gm_pixel_norm *norm);

/* Groma: the whole picture, resized to size x size without keeping its ratio. out[3, size,
 * size]. */
gm_status gm_pixels_squash(float *out, const gm_image *image, size_t size,
                           const gm_pixel_norm *norm, gm_pool *pool, gm_error *err);

/* How a picture is resized before its centre square is cut out: its short side to size, or both
 * sides without keeping its ratio. */
typedef struct gm_pixel_resize {
  uint32_t size; /* at least the square's side */
  bool squash;
} gm_pixel_resize;

/* CLIP: the crop (NULL: the whole picture) is resized, then its centre square of `size` cut
 * out. out[3, size, size]. Thread-safe: with pool NULL, crops can be tasks of a pool. */
gm_status gm_pixels_centre(float *out, const gm_image *image, const gm_crop *crop,
                           const gm_pixel_resize *resize, size_t size,
                           const gm_pixel_norm *norm, gm_pool *pool, gm_error *err);

#endif
