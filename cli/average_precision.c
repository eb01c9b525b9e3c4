/* average_precision.c - see average_precision.h. */
#include "average_precision.h"

#include "dataset.h"

#include <stdlib.h>

enum { MAX_BOXES = 100, RECALLS = 101 };

static int by_class(size_t a, size_t b) {
  return (a > b) - (a < b);
}

/* Class, falling score; ties in the order of pictures. */
static int by_score(const void *a, const void *b) {
  const ap_box *x = a, *y = b;
  if (x->class_index != y->class_index) return by_class(x->class_index, y->class_index);
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return by_class(x->picture, y->picture);
}

/* The free true box that it overlaps most; n_truth where none overlaps enough. */
static size_t match(const ap_box *found, const ap_box *truth, size_t n_truth, const bool *taken,
                    double iou) {
  size_t best = n_truth;
  for (size_t i = 0; i < n_truth; i++) {
    if (taken[i] || truth[i].picture != found->picture ||
        truth[i].class_index != found->class_index)
      continue;
    double overlap = data_iou(found->box, truth[i].box);
    if (overlap < iou) continue;
    iou = overlap;
    best = i;
  }
  return best;
}

/* Of the first `i` boxes of a class, how many are on the picture of box i. */
static size_t earlier_on_picture(const ap_box *found, size_t i) {
  size_t n = 0;
  for (size_t k = 0; k < i; k++) n += found[k].picture == found[i].picture;
  return n;
}

/* One class: found[n] in falling score. precision[n], recall[n] are scratch. */
static double class_precision(const ap_box *found, size_t n, const ap_box *truth,
                              size_t n_truth, size_t positives, bool *taken, double iou,
                              double *precision, double *recall) {
  size_t right = 0, counted = 0;
  for (size_t i = 0; i < n; i++) {
    if (earlier_on_picture(found, i) >= MAX_BOXES) continue;
    size_t m = match(&found[i], truth, n_truth, taken, iou);
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

double cli_average_precision(ap_box *found, size_t n_found, const ap_box *truth, size_t n_truth,
                             size_t n_classes, double iou) {
  bool *taken = calloc(n_truth + 1, sizeof *taken);
  double *scratch = calloc(2 * n_found + 1, sizeof *scratch), sum = -1;
  size_t classes = 0;
  if (taken && scratch) {
    sum = 0;
    if (n_found) qsort(found, n_found, sizeof *found, by_score);
    for (size_t c = 0, i = 0; c < n_classes; c++) {
      size_t n = 0, positives = 0;
      while (i + n < n_found && found[i + n].class_index == c) n++;
      for (size_t k = 0; k < n_truth; k++) positives += truth[k].class_index == c;
      if (positives)
        sum += class_precision(found + i, n, truth, n_truth, positives, taken, iou, scratch,
                               scratch + n_found);
      classes += positives > 0;
      i += n;
    }
  }
  free(taken);
  free(scratch);
  return sum >= 0 && classes ? sum / (double)classes : -1;
}
