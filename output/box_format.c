/* box_format.c - see box_format.h. */
#include "box_format.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"xyxy", "xywh", "xyxyn", "cxcywhn", "qwen3"};

bool out_box_format_named(const char *name, out_box_format *out) {
  *out = BOX_XYXY;
  if (!name) return true;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(name, names[i]) == 0) {
      *out = (out_box_format)i;
      return true;
    }
  return false;
}

const char *out_box_format_name(out_box_format format) {
  return names[format];
}

bool out_parse_box(const char *text, double out[4]) {
  for (int i = 0; i < 4; i++) {
    char *end;
    out[i] = strtod(text, &end);
    if (end == text || !isfinite(out[i])) return false;
    while (isspace((unsigned char)*end)) end++;
    if (*end != (i < 3 ? ',' : 0)) return false;
    text = end + 1;
  }
  return true;
}

bool out_box_looks_relative(out_box_format format, const double in[4]) {
  bool relative = format == BOX_XYXY || format == BOX_XYWH;
  for (int i = 0; i < 4; i++) relative = relative && in[i] >= 0 && in[i] <= 1;
  return relative;
}

bool out_box_to_pixels(out_box_format format, const double in[4], uint32_t width,
                       uint32_t height, gm_box *out) {
  double w = width, h = height, x1 = in[0], y1 = in[1], x2 = in[2], y2 = in[3];
  switch (format) {
  case BOX_XYXY:
    break;
  case BOX_XYWH:
    x2 = x1 + in[2];
    y2 = y1 + in[3];
    break;
  case BOX_XYXYN:
    x1 *= w, y1 *= h, x2 *= w, y2 *= h;
    break;
  case BOX_CXCYWHN:
    x1 = (in[0] - in[2] / 2) * w;
    y1 = (in[1] - in[3] / 2) * h;
    x2 = (in[0] + in[2] / 2) * w;
    y2 = (in[1] + in[3] / 2) * h;
    break;
  case BOX_QWEN3:
    x1 *= w / 1000, y1 *= h / 1000, x2 *= w / 1000, y2 *= h / 1000;
    break;
  }
  x1 = fmax(x1, 0), y1 = fmax(y1, 0), x2 = fmin(x2, w), y2 = fmin(y2, h);
  if (!(x2 > x1) || !(y2 > y1)) return false;
  *out = (gm_box){(float)x1, (float)y1, (float)x2, (float)y2};
  return true;
}

static double rounded(double value, double unit) {
  return round(value * unit) / unit;
}

void out_box_from_pixels(out_box_format format, gm_box box, uint32_t width, uint32_t height,
                         double out[4]) {
  double w = width > 0 ? width : 1, h = height > 0 ? height : 1;
  double x1 = box.x1, y1 = box.y1, x2 = box.x2, y2 = box.y2, unit = 100;
  switch (format) {
  case BOX_XYXY:
    break;
  case BOX_XYWH:
    x2 -= x1, y2 -= y1;
    break;
  case BOX_XYXYN:
    x1 /= w, y1 /= h, x2 /= w, y2 /= h;
    unit = 1e6;
    break;
  case BOX_CXCYWHN: {
    double cx = (x1 + x2) / 2 / w, cy = (y1 + y2) / 2 / h;
    x2 = (x2 - x1) / w, y2 = (y2 - y1) / h, x1 = cx, y1 = cy;
    unit = 1e6;
    break;
  }
  case BOX_QWEN3:
    x1 *= 1000 / w, y1 *= 1000 / h, x2 *= 1000 / w, y2 *= 1000 / h;
    unit = 1;
    break;
  }
  out[0] = rounded(x1, unit), out[1] = rounded(y1, unit);
  out[2] = rounded(x2, unit), out[3] = rounded(y2, unit);
}
