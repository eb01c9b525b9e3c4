/* opencv_resize.h - resizing as OpenCV does it, which the public code of Groma uses where it
 * evaluates. */
#ifndef CLI_OPENCV_RESIZE_H
#define CLI_OPENCV_RESIZE_H

#include "status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* rgb[height][width][3] -> out[size][size][3], as cv2.resize(rgb, (size, size)) of OpenCV 4
 * does by default: bilinear without antialiasing, with weights of 11 bits; but the mean of 2 x
 * 2 pixels where both sides are exactly twice as long. All sides are 1 to 2^24. GM_ERR_MEMORY.
 */
gm_status opencv_resize(uint8_t *out, size_t size, const uint8_t *rgb, size_t width,
                        size_t height, gm_error *err);

#endif
