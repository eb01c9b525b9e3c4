/* bilinear.h - bilinear resizing without antialiasing, 8 bits, as OpenCV's INTER_LINEAR does
 * it: stage 1's augmentation in the reference. */
#ifndef GM_BILINEAR_H
#define GM_BILINEAR_H

#include "resize.h"

/* Weights are rounded to 11 bits, the sum to the nearest. dst: rgb[view_height][view_width][3].
 * The view must lie inside (asserted). Scratch comes from malloc. GM_ERR_MEMORY. Thread-safe.
 */
gm_status gm_picture_bilinear(uint8_t *dst, const gm_resize *r, gm_error *err);

#endif
