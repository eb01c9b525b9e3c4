/* box_format.h - converts boxes between common formats and pixels of the upright picture. */
#ifndef OUT_BOX_FORMAT_H
#define OUT_BOX_FORMAT_H

#include "gromatic.h"

typedef enum out_box_format {
  BOX_XYXY,    /* x1, y1, x2, y2 in pixels */
  BOX_XYWH,    /* x, y, width, height in pixels (COCO) */
  BOX_XYXYN,   /* x1, y1, x2, y2, 0..1 */
  BOX_CXCYWHN, /* centre and size, 0..1 (YOLO) */
  BOX_QWEN3    /* x1, y1, x2, y2, whole numbers 0..1000 (Qwen3-VL) */
} out_box_format;

/* NULL means xyxy. False if unknown. */
bool out_box_format_named(const char *name, out_box_format *out);
const char *out_box_format_name(out_box_format format);

/* Parses four numbers separated by commas (white space allowed). */
bool out_parse_box(const char *text, double out[4]);
/* Whether numbers that should be pixels look like shares of the picture: none is above 1, so
 * the box would be less than a pixel. */
bool out_box_looks_relative(out_box_format format, const double in[4]);
/* The message for that, after the box. */
#define OUT_BOX_RELATIVE                                                                       \
  "as %s it is within the first pixel; if these are shares of the picture, give "              \
  "--box-format xyxyn (corners) or cxcywhn (centre and size)"
/* False if the numbers are not a box in this format: NaN, no extent, or wholly outside. */
bool out_box_to_pixels(out_box_format format, const double in[4], uint32_t width,
                       uint32_t height, gm_box *out);
/* Rounded to 1/100 pixel, 1e-6 of the picture, or whole thousandths. */
void out_box_from_pixels(out_box_format format, gm_box box, uint32_t width, uint32_t height,
                         double out[4]);

#endif
