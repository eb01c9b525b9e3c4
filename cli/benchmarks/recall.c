/* recall.c - see recall.h. */
#include "recall.h"

#include <stdlib.h>

typedef struct found_box {
  const score_answer *answer;
  size_t class_index;
} found_box;

typedef struct true_box {
  const score_truth *truth;
  size_t class_index;
} true_box;

static int compare(size_t a, size_t b) {
  return (a > b) - (a < b);
}

/* Order: picture, falling score, as given. */
static int by_picture(const void *a, const void *b) {
  const score_answer *x = ((const found_box *)a)->answer, *y = ((const found_box *)b)->answer;
  if (x->entry != y->entry) return compare(x->entry, y->entry);
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return (x > y) - (x < y);
}

/* Order: class, then by_picture. */
static int by_class(const void *a, const void *b) {
  const found_box *x = a, *y = b;
  int order = compare(x->class_index, y->class_index);
  return order ? order : by_picture(a, b);
}

/* Order: class, picture, as given. */
static int true_by_class(const void *a, const void *b) {
  const true_box *x = a, *y = b;
  int order = compare(x->class_index, y->class_index);
  if (order == 0) order = compare(x->truth->image, y->truth->image);
  return order ? order : (x->truth > y->truth) - (x->truth < y->truth);
}

static bool counts(const score_truth *t, recall_size size) {
  static const double lowest[] = {0, 0, 32 * 32, 96 * 96},
                      highest[] = {1e10, 32 * 32, 96 * 96, 1e10};
  return !t->crowd && !t->ignore && t->area >= lowest[size] && t->area <= highest[size];
}

/* Of found[n], sorted by picture, keeps each picture's first ones. */
static size_t keep_first(found_box *found, size_t n, const size_t *most) {
  size_t kept = 0, in_picture = 0;
  for (size_t i = 0; i < n; i++) {
    size_t picture = found[i].answer->entry;
    in_picture = i && found[i - 1].answer->entry == picture ? in_picture + 1 : 1;
    if (in_picture <= most[picture]) found[kept++] = found[i];
  }
  return kept;
}

/* Matches the boxes of one picture and class: adds the numbers of matches to matched. */
static void match(const found_box *found, size_t n, const true_box *truths, size_t n_truths,
                  bool *taken, size_t matched[RECALL_THRESHOLDS]) {
  for (size_t k = 0; k < RECALL_THRESHOLDS; k++) {
    for (size_t j = 0; j < n_truths; j++) taken[j] = false;
    for (size_t i = 0; i < n; i++) {
      /* The double nearest to the decimal; summing 0.05 up makes 0.85 too large. */
      double most = (double)(50 + 5 * k) / 100;
      size_t best = n_truths;
      for (size_t j = 0; j < n_truths; j++) {
        if (taken[j]) continue;
        double iou = score_iou(found[i].answer->box, truths[j].truth->box);
        if (iou < most) continue;
        most = iou;
        best = j;
      }
      if (best == n_truths) continue;
      taken[best] = true;
      matched[k]++;
    }
  }
}

/* Sums up the shares of the classes; truths and found are sorted by class and picture. */
static void sum_classes(double out[RECALL_THRESHOLDS], const found_box *found, size_t n,
                        const true_box *truths, size_t n_truths, bool *taken) {
  size_t classes = 0;
  for (size_t k = 0; k < RECALL_THRESHOLDS; k++) out[k] = n_truths ? 0 : -1;
  for (size_t i = 0, j = 0; j < n_truths;) {
    size_t class_index = truths[j].class_index, first = j, matched[RECALL_THRESHOLDS] = {0};
    while (j < n_truths && truths[j].class_index == class_index) {
      size_t picture = truths[j].truth->image, m = 0, count = 0;
      while (j + m < n_truths && truths[j + m].class_index == class_index &&
             truths[j + m].truth->image == picture)
        m++;
      while (i < n &&
             (found[i].class_index < class_index ||
              (found[i].class_index == class_index && found[i].answer->entry < picture)))
        i++;
      while (i + count < n && found[i + count].class_index == class_index &&
             found[i + count].answer->entry == picture)
        count++;
      match(found + i, count, truths + j, m, taken, matched);
      i += count;
      j += m;
    }
    for (size_t k = 0; k < RECALL_THRESHOLDS; k++)
      out[k] += (double)matched[k] / (double)(j - first);
    classes++;
  }
  for (size_t k = 0; classes && k < RECALL_THRESHOLDS; k++) out[k] /= (double)classes;
}

gm_status recall_shares(double out[RECALL_THRESHOLDS], const score_set *set,
                        const score_answers *found, const recall_rules *rules, gm_error *err) {
  found_box *boxes = calloc(found->n + 1, sizeof *boxes);
  true_box *truths = calloc(set->n_truths + 1, sizeof *truths);
  bool *taken = calloc(set->n_truths + 1, sizeof *taken);
  size_t n = 0, n_truths = 0;
  gm_status status =
      boxes && truths && taken ? GM_OK : gm_fail_memory(err, "boxes", found->n * sizeof *boxes);
  if (status == GM_OK) {
    for (size_t i = 0; i < found->n; i++)
      boxes[n++] =
          (found_box){&found->items[i], rules->by_class ? found->items[i].category : 0};
    for (size_t i = 0; i < set->n_truths; i++)
      if (counts(&set->truths[i], rules->size))
        truths[n_truths++] =
            (true_box){&set->truths[i], rules->by_class ? set->truths[i].category : 0};
    qsort(boxes, n, sizeof *boxes, by_picture);
    n = keep_first(boxes, n, rules->most);
    qsort(boxes, n, sizeof *boxes, by_class);
    qsort(truths, n_truths, sizeof *truths, true_by_class);
    sum_classes(out, boxes, n, truths, n_truths, taken);
  }
  free(boxes);
  free(truths);
  free(taken);
  return status;
}

double recall_mean(const double shares[RECALL_THRESHOLDS]) {
  double sum = 0;
  for (size_t k = 0; k < RECALL_THRESHOLDS; k++) {
    if (shares[k] < 0) return -1;
    sum += shares[k];
  }
  return sum / RECALL_THRESHOLDS;
}
