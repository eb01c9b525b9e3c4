/* average_precision.c - see average_precision.h. */
#include "average_precision.h"

#include "box_overlap.h"

#include <stdlib.h>

enum { MAX_BOXES = 100, RECALLS = 101 };

/* Indices of the boxes by class, in each class in the order that the matching needs. */
typedef struct ap_scratch {
  const ap_box **found, **truth;
  bool *taken;                /* [n_truth], one for each of truth */
  size_t *seen;               /* [pictures]: found boxes of the class so far */
  double *precision, *recall; /* [n_found] */
} ap_scratch;

static int compare(size_t a, size_t b) {
  return (a > b) - (a < b);
}

/* Order: class, falling score, picture, as given. */
static int by_score(const void *a, const void *b) {
  const ap_box *x = *(const ap_box *const *)a, *y = *(const ap_box *const *)b;
  if (x->class_index != y->class_index) return compare(x->class_index, y->class_index);
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  if (x->picture != y->picture) return compare(x->picture, y->picture);
  return (x > y) - (x < y);
}

/* Order: class, picture, crowds last, as given. */
static int by_place(const void *a, const void *b) {
  const ap_box *x = *(const ap_box *const *)a, *y = *(const ap_box *const *)b;
  if (x->class_index != y->class_index) return compare(x->class_index, y->class_index);
  if (x->picture != y->picture) return compare(x->picture, y->picture);
  if (x->crowd != y->crowd) return x->crowd ? 1 : -1;
  return (x > y) - (x < y);
}

/* The first box of truth[n] whose picture is not before this one. */
static size_t first_on(const ap_box *const *truth, size_t n, size_t picture) {
  size_t low = 0;
  while (n > 0) {
    size_t half = n / 2;
    if (truth[low + half]->picture < picture) {
      low += half + 1;
      n -= half + 1;
    } else {
      n = half;
    }
  }
  return low;
}

/* The free true box with the largest overlap; a crowd only if there is no other; n if none
 * overlaps enough. truth[n]: those of its class. */
static size_t match(const ap_box *found, const ap_box *const *truth, size_t n,
                    const bool *taken, double iou) {
  size_t best = n;
  for (size_t i = first_on(truth, n, found->picture);
       i < n && truth[i]->picture == found->picture; i++) {
    bool crowd = truth[i]->crowd;
    if (taken[i]) continue;
    if (crowd && best < n && !truth[best]->crowd) break;
    double overlap = crowd ? out_box_share_inside(found->box, truth[i]->box)
                           : out_box_iou(found->box, truth[i]->box);
    if (overlap < iou) continue;
    iou = overlap;
    best = i;
  }
  return best;
}

/* Average precision of one class: found[n], truth[n_truth] and taken are that class's. */
static double class_precision(const ap_scratch *s, const ap_box *const *found, size_t n,
                              const ap_box *const *truth, size_t n_truth, bool *taken,
                              size_t positives, double iou) {
  double *precision = s->precision, *recall = s->recall;
  size_t right = 0, counted = 0;
  for (size_t i = 0; i < n; i++) s->seen[found[i]->picture] = 0;
  for (size_t i = 0; i < n; i++) {
    if (s->seen[found[i]->picture]++ >= MAX_BOXES) continue;
    size_t m = match(found[i], truth, n_truth, taken, iou);
    if (m < n_truth && truth[m]->crowd) continue; /* neither right nor wrong */
    if (m < n_truth) {
      taken[m] = true;
      right++;
    }
    precision[counted] = (double)right / (double)(counted + 1);
    recall[counted++] = (double)right / (double)positives;
  }
  for (size_t i = counted; i-- > 1;)
    if (precision[i] > precision[i - 1]) precision[i - 1] = precision[i];
  double sum = 0;
  for (size_t r = 0, i = 0; r < RECALLS; r++) {
    while (i < counted && recall[i] < (double)r / (RECALLS - 1)) i++;
    if (i < counted) sum += precision[i];
  }
  return sum / RECALLS;
}

static double mean_precision(const ap_scratch *s, size_t n_found, size_t n_truth,
                             size_t n_classes, double iou) {
  double sum = 0;
  size_t classes = 0;
  for (size_t c = 0, i = 0, k = 0; c < n_classes; c++) {
    size_t n = 0, m = 0, positives = 0;
    while (i + n < n_found && s->found[i + n]->class_index == c) n++;
    for (; k + m < n_truth && s->truth[k + m]->class_index == c; m++)
      positives += !s->truth[k + m]->crowd;
    if (positives)
      sum += class_precision(s, s->found + i, n, s->truth + k, m, s->taken + k, positives, iou);
    classes += positives > 0;
    i += n;
    k += m;
  }
  return classes ? sum / (double)classes : -1;
}

double cli_average_precision(const ap_box *found, size_t n_found, const ap_box *truth,
                             size_t n_truth, size_t n_classes, double iou) {
  size_t pictures = 1;
  for (size_t i = 0; i < n_found; i++)
    if (found[i].picture >= pictures) pictures = found[i].picture + 1;
  ap_scratch s = {.found = malloc((n_found + 1) * sizeof *s.found),
                  .truth = malloc((n_truth + 1) * sizeof *s.truth),
                  .taken = calloc(n_truth + 1, sizeof *s.taken),
                  .seen = calloc(pictures, sizeof *s.seen),
                  .precision = calloc(2 * n_found + 1, sizeof *s.precision)};
  s.recall = s.precision + n_found;
  double mean = -1;
  if (s.found && s.truth && s.taken && s.seen && s.precision) {
    for (size_t i = 0; i < n_found; i++) s.found[i] = &found[i];
    for (size_t i = 0; i < n_truth; i++) s.truth[i] = &truth[i];
    qsort(s.found, n_found, sizeof *s.found, by_score);
    qsort(s.truth, n_truth, sizeof *s.truth, by_place);
    mean = mean_precision(&s, n_found, n_truth, n_classes, iou);
  }
  free(s.found);
  free(s.truth);
  free(s.taken);
  free(s.seen);
  free(s.precision);
  return mean;
}
