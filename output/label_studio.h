/* label_studio.h - boxes as Label Studio has them. */
#ifndef OUT_LABEL_STUDIO_H
#define OUT_LABEL_STUDIO_H

#include <jansson.h>

/* {"x", "y", "width", "height", "rotation"} of corners in pixels: the upper left corner and the
 * size in per cent of the upright picture, rounded to 4 decimals. A new reference; NULL: no
 * memory. */
json_t *out_label_studio_value(double x1, double y1, double x2, double y2, double width,
                               double height);

#endif
