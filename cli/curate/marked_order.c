/* marked_order.c - see marked_order.h. */
#include "marked_order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LEAST_AREA = 0.001, MOST_OVERLAP = 0.7;

/* ---- choosing ---- */

typedef struct ranked_box {
  curate_box box;
  size_t given; /* its place in the file */
  size_t characters;
  double key[2]; /* of the reading order */
} ranked_box;

static double area(const curate_box *b) {
  return b->w * b->h;
}

static double overlap(const curate_box *a, const curate_box *b) {
  double w = fmin(a->x + a->w, b->x + b->w) - fmax(a->x, b->x);
  double h = fmin(a->y + a->h, b->y + b->h) - fmax(a->y, b->y);
  double both = w > 0 && h > 0 ? w * h : 0;
  return both / (area(a) + area(b) - both);
}

static int compare(double a, double b) {
  return (a > b) - (a < b);
}

static int by_given(const ranked_box *a, const ranked_box *b) {
  return (a->given > b->given) - (a->given < b->given);
}

static int by_description(const void *one, const void *other) {
  const ranked_box *a = one, *b = other;
  if (a->characters != b->characters) return a->characters < b->characters ? 1 : -1;
  int larger = compare(area(&b->box), area(&a->box));
  return larger ? larger : by_given(a, b);
}

static int by_area(const void *one, const void *other) {
  const ranked_box *a = one, *b = other;
  int larger = compare(area(&b->box), area(&a->box));
  return larger ? larger : by_given(a, b);
}

static int in_file(const void *one, const void *other) {
  return by_given(one, other);
}

static int by_reading(const void *one, const void *other) {
  const ranked_box *a = one, *b = other;
  int row = compare(a->key[0], b->key[0]), column = compare(a->key[1], b->key[1]);
  return row ? row : column ? column : by_given(a, b);
}

static size_t count_characters(const char *text) {
  size_t n = 0;
  for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
  return n;
}

static ranked_box *ranked(const curate_picture *p) {
  ranked_box *all = malloc((p->n_boxes + 1) * sizeof *all);
  for (size_t i = 0; all && i < p->n_boxes; i++) {
    const curate_box *b = &p->boxes[i];
    all[i] = (ranked_box){*b,
                          i,
                          count_characters(b->text),
                          {floor(10 * (b->y + b->h / 2) / p->height), b->x + b->w / 2}};
  }
  return all;
}

static void drop(ranked_box *box) {
  free(box->box.text);
  free(box->box.kind);
}

static void put_back(curate_picture *p, ranked_box *all, size_t n) {
  for (size_t i = 0; i < n; i++) p->boxes[i] = all[i].box;
  p->n_boxes = n;
  free(all);
}

bool choose_boxes(curate_picture *p) {
  ranked_box *all = ranked(p);
  if (!all) return false;
  size_t n = 0;
  qsort(all, p->n_boxes, sizeof *all, by_description);
  for (size_t i = 0; i < p->n_boxes; i++) {
    bool kept = area(&all[i].box) >= LEAST_AREA * p->width * p->height;
    for (size_t k = 0; kept && k < n; k++)
      kept = overlap(&all[i].box, &all[k].box) <= MOST_OVERLAP;
    if (kept)
      all[n++] = all[i];
    else
      drop(&all[i]);
  }
  qsort(all, n, sizeof *all, by_area);
  for (; n > MOST_MARKED; n--) drop(&all[n - 1]);
  qsort(all, n, sizeof *all, in_file);
  put_back(p, all, n);
  return true;
}

bool order_boxes(curate_picture *p) {
  ranked_box *all = ranked(p);
  if (!all) return false;
  qsort(all, p->n_boxes, sizeof *all, by_reading);
  put_back(p, all, p->n_boxes);
  return true;
}

/* ---- discs ---- */

static const double PI = 3.14159265358979323846, GAP = 4, SMALLEST_DISC = 16, DISCS_A_SIDE = 24;

typedef struct placing {
  const curate_picture *picture;
  mark_disc *discs;
  size_t k; /* the disc that is placed; those before are */
  double d;
} placing;

double disc_diameter(const curate_picture *p) {
  uint32_t side = p->width < p->height ? p->width : p->height;
  return fmax(SMALLEST_DISC, side / DISCS_A_SIDE);
}

/* The first earlier disc that one at (x, y) would touch. */
static const mark_disc *touched(const placing *p, double x, double y) {
  for (size_t i = 0; i < p->k; i++)
    if (p->discs[i].place != DISC_NONE && hypot(x - p->discs[i].x, y - p->discs[i].y) < p->d)
      return &p->discs[i];
  return NULL;
}

static bool in_picture(const placing *p, double x, double y) {
  double r = p->d / 2;
  return x >= r && y >= r && x <= p->picture->width - r && y <= p->picture->height - r;
}

static bool in_box(const curate_box *b, double x, double y) {
  return x >= b->x && y >= b->y && x <= b->x + b->w && y <= b->y + b->h;
}

/* The middle of the picture where the disc is wider than it. */
static double shifted(double at, double r, double side) {
  return side < 2 * r ? side / 2 : fmin(fmax(at, r), side - r);
}

static mark_disc place_inside(const placing *p, const curate_box *b) {
  double r = p->d / 2, x = shifted(b->x + b->w / 2, r, p->picture->width),
         y = shifted(b->y + b->h / 2, r, p->picture->height);
  const mark_disc *other = touched(p, x, y);
  if (other) {
    double dx = x - other->x, dy = y - other->y, far = hypot(dx, dy);
    if (far == 0) dx = far = 1;
    for (double x0 = x, y0 = y, step = 1; touched(p, x, y); step++) {
      x = x0 + step * dx / far;
      y = y0 + step * dy / far;
      if (!in_box(b, x, y) || !in_picture(p, x, y)) return (mark_disc){.place = DISC_NONE};
    }
  }
  if (!in_picture(p, x, y)) return (mark_disc){.place = DISC_NONE};
  return (mark_disc){DISC_INSIDE, x, y};
}

static mark_disc place_outside(const placing *p, const curate_box *b) {
  double r = p->d / 2, x = b->x + b->w / 2, y = b->y + b->h / 2;
  const double tries[4][2] = {{b->x + b->w + GAP + r, y},
                              {b->x - GAP - r, y},
                              {x, b->y + b->h + GAP + r},
                              {x, b->y - GAP - r}};
  for (size_t i = 0; i < 4; i++)
    if (in_picture(p, tries[i][0], tries[i][1]) && !touched(p, tries[i][0], tries[i][1]))
      return (mark_disc){DISC_OUTSIDE, tries[i][0], tries[i][1]};
  return (mark_disc){.place = DISC_NONE};
}

void place_discs(const curate_picture *picture, mark_disc *discs) {
  placing p = {.picture = picture, .discs = discs, .d = disc_diameter(picture)};
  for (; p.k < picture->n_boxes; p.k++) {
    const curate_box *b = &picture->boxes[p.k];
    discs[p.k] = PI * p.d * p.d > b->w * b->h ? place_outside(&p, b) : place_inside(&p, b);
  }
}
