/* draw_tags.c - see draw_tags.h. Tries places along the box's edges and takes the one with the
 * lowest cost. */
#include "draw_tags.h"

#include <math.h>

/* A line of places: from (x, y) to (x + dx, y + dy), the first preferred. */
typedef struct row {
  double x, y, dx, dy, cost;
} row;

enum { PLACES = 7 }; /* tried on each row */

double gm_rect_overlap(gm_rect a, gm_rect b) {
  double w = fmin(a.x + a.w, b.x + b.w) - fmax(a.x, b.x);
  double h = fmin(a.y + a.h, b.y + b.h) - fmax(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

static double clamp(double v, double low, double high) {
  return v > high ? (high > low ? high : low) : v < low ? low : v;
}

/* The cost of what the tag covers: most for another tag, then for a small box, its own or
 * another's. */
static double cost_of(gm_rect tag, size_t box, const gm_rect *boxes, size_t n_boxes,
                      const gm_rect *placed, size_t n_placed) {
  double area = tag.w * tag.h, cost = 0;
  for (size_t i = 0; i < n_placed; i++) cost += 20 * gm_rect_overlap(tag, placed[i]) / area;
  for (size_t i = 0; i < n_boxes; i++) {
    double smaller = fmin(area, boxes[i].w * boxes[i].h);
    double share = gm_rect_overlap(tag, boxes[i]) / fmax(smaller, 1);
    if (i == box)
      cost += 1.5 * gm_rect_overlap(tag, boxes[i]) / fmax(boxes[i].w * boxes[i].h, 1);
    else
      cost += 0.6 * share;
  }
  return cost;
}

void gm_tag_place(gm_rect *tag, size_t box, const gm_rect *boxes, size_t n_boxes,
                  const gm_rect *placed, size_t n_placed, gm_rect area) {
  gm_rect b = boxes[box], t = *tag;
  double dx = b.w - t.w, dy = b.h - t.h;
  const row rows[] = {
      {b.x, b.y - t.h, dx, 0, 0},       /* above */
      {b.x, b.y, dx, 0, 0.1},           /* inside, at the top */
      {b.x, b.y + b.h, dx, 0, 0.15},    /* below */
      {b.x, b.y + dy, dx, 0, 0.2},      /* inside, at the bottom */
      {b.x + b.w, b.y, 0, dy, 0.3},     /* to the right */
      {b.x - t.w, b.y, 0, dy, 0.35},    /* to the left */
      {b.x, b.y - 2 * t.h, dx, 0, 0.6}, /* one line further */
      {b.x, b.y + b.h + t.h, dx, 0, 0.65},
  };
  double best = INFINITY;
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
    for (int k = 0; k < PLACES; k++) {
      double along = (double)k / (PLACES - 1);
      double x = rows[r].x + along * rows[r].dx, y = rows[r].y + along * rows[r].dy;
      gm_rect at = {clamp(x, area.x, area.x + area.w - t.w),
                    clamp(y, area.y, area.y + area.h - t.h), t.w, t.h};
      double moved = (fabs(at.x - x) + fabs(at.y - y)) / t.h;
      double cost = rows[r].cost + 0.15 * along + 0.1 * moved +
                    cost_of(at, box, boxes, n_boxes, placed, n_placed);
      if (cost >= best) continue;
      best = cost;
      *tag = at;
    }
}
