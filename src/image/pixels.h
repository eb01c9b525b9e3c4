/* pixels.h - PICTURE -> PIXELS: resized and normalised, planar float [3, S, S], as the vision
 * towers take them: (x / 255 - mean) / std. */
#ifndef GM_PIXELS_H
#define GM_PIXELS_H

#include "status.h"
#include "threads.h"

/* Per channel, in units of 0..1: what preprocessor_config.json calls image_mean and image_std.
 */
typedef struct gm_pixel_norm {
  float mean[3], std[3];
} gm_pixel_norm;

/* A part of a picture: [x, x + width) by [y, y + height), inside of it. */
typedef struct gm_crop {
  uint32_t x, y, width, height;
} gm_crop;

/* rgb[n][3] -> out[3][n]. */
void gm_pixels_normalise(float *out, const uint8_t *rgb, size_t n, const gm_pixel_norm *norm);

/* Groma: the whole picture to size x size, its ratio not kept. out[3, size, size]. */
gm_status gm_pixels_squash(float *out, const gm_image *image, size_t size,
                           const gm_pixel_norm *norm, gm_pool *pool, gm_error *err);

/* How a picture is resized before the square in its middle is taken: its short side to size, or
 * both sides, its ratio not kept. */
typedef struct gm_pixel_resize {
  uint32_t size; /* at least the square's */
  bool squash;
} gm_pixel_resize;

/* CLIP: the crop (NULL: the whole picture) resized, then the square of `size` in the middle.
 * out[3, size, size]. Thread-safe, so that crops can be tasks with pool NULL. */
gm_status gm_pixels_centre(float *out, const gm_image *image, const gm_crop *crop,
                           const gm_pixel_resize *resize, size_t size,
                           const gm_pixel_norm *norm, gm_pool *pool, gm_error *err);

#endif
