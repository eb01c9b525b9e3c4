/* box_overlap.c - see box_overlap.h. */
#include "box_overlap.h"

/* Computed in double, so that the IoU of a box with itself is exactly 1. */
static double area(gm_box a) {
  return ((double)a.x2 - (double)a.x1) * ((double)a.y2 - (double)a.y1);
}

static double shared_area(gm_box a, gm_box b) {
  double w = (double)(a.x2 < b.x2 ? a.x2 : b.x2) - (double)(a.x1 > b.x1 ? a.x1 : b.x1);
  double h = (double)(a.y2 < b.y2 ? a.y2 : b.y2) - (double)(a.y1 > b.y1 ? a.y1 : b.y1);
  return w <= 0 || h <= 0 ? 0 : w * h;
}

double out_box_iou(gm_box a, gm_box b) {
  double shared = shared_area(a, b);
  return shared > 0 ? shared / (area(a) + area(b) - shared) : 0;
}

double out_box_share_inside(gm_box a, gm_box b) {
  double shared = shared_area(a, b);
  return shared > 0 ? shared / area(a) : 0;
}
