/* resize.h - bicubic resizing, bit-identical to Pillow's (up to version 12).
 *
 * a = -0.5; shrinking widens the filter (antialias); weights are normalised, then rounded to 22
 * bits; the horizontal pass comes first, each pass rounds and clips to 8 bits, and a pass that
 * keeps the size is skipped. A crop is resized in place, with the same result as cutting it out
 * first: the filter never reads beyond the crop's edge. */
#ifndef GM_RESIZE_H
#define GM_RESIZE_H

#include "status.h"
#include "threads.h"

/* Sides are 1 to 2^20 pixels (width and height may be larger). Only the view is computed, so
 * that no shape of picture needs much memory. */
typedef struct gm_resize {
  const uint8_t *src; /* rgb[src_height][src_width][3] */
  size_t src_width, src_height;
  size_t crop_x, crop_y, crop_width, crop_height; /* the part of src to resize */
  size_t width, height;                           /* to this size */
  size_t view_x, view_y, view_width, view_height; /* the part of the result that is wanted */
} gm_resize;

/* The whole picture to the whole of width x height; change members for a crop or a view. */
gm_resize gm_resize_whole(const uint8_t *src, size_t src_width, size_t src_height, size_t width,
                          size_t height);

/* dst: rgb[view_height][view_width][3]. Crop and view must lie inside (asserted). The result
 * does not depend on pool, which may be NULL: for many crops of one picture, make each crop a
 * task. Scratch comes from malloc. Errors: GM_ERR_MEMORY. Thread-safe. */
gm_status gm_resize_bicubic(uint8_t *dst, const gm_resize *r, gm_pool *pool, gm_error *err);

#endif
