/* augment.h - stage 1's augmentation (arXiv 2404.13013's data code, after mmdet): resize, crop,
 * squash to S x S, drop boxes that became too small, flip. */
#ifndef GM_AUGMENT_H
#define GM_AUGMENT_H

#include "pixels.h"
#include "sample.h"
#include "visit.h"

/* What was drawn for one picture. */
typedef struct gm_augmentation {
  size_t width, height;                           /* it is resized to this, bilinear */
  size_t crop_x, crop_y, crop_width, crop_height; /* then cut to this */
  bool flip;                                      /* left to right, at the end */
} gm_augmentation;

/* Short side 400, 500 or 600, long side at most 4200; the crop's height is drawn from
 * min(H, 448)..min(H, 896), its width likewise, its place uniformly. width, height: 1 to 2^24.
 */
gm_augmentation gm_augmentation_draw(size_t width, size_t height, gm_rng *rng);

/* boxes[n], relative to the whole picture, become those of the S x S picture, in place; returns
 * how many are left. 0: another picture is to be taken. */
size_t gm_augmentation_boxes(const gm_augmentation *a, gm_rel_box *boxes, size_t n, size_t side,
                             gm_source source);

/* Without augmentation: the same last rule. COCO: both sides over 2 pixels of S x S; SA-1B: an
 * area over 14^2 and under 400^2 of them. */
size_t gm_boxes_large_enough(gm_rel_box *boxes, size_t n, size_t side, gm_source source);

/* pixels [3, side, side], normalised as for inference. GM_ERR_MEMORY. Thread-safe. */
gm_status gm_augmentation_pixels(float *pixels, const gm_augmentation *a, const gm_image *image,
                                 size_t side, const gm_pixel_norm *norm, gm_error *err);

#endif
