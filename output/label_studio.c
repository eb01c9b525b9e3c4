/* label_studio.c - see label_studio.h. */
#include "label_studio.h"

#include <math.h>

static json_t *share(double length, double whole) {
  return json_real(round(100 * length / whole * 1e4) / 1e4);
}

json_t *out_label_studio_value(double x1, double y1, double x2, double y2, double width,
                               double height) {
  return json_pack("{s:o, s:o, s:o, s:o, s:i}", "x", share(x1, width), "y", share(y1, height),
                   "width", share(x2 - x1, width), "height", share(y2 - y1, height), "rotation",
                   0);
}
