/* fit.c - see fit.h. */
#include "fit.h"

#include "logistic_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 10 };

/* ---- the unit ---- */

typedef struct room {
  double *x; /* [n_rows, n + 1] or [n_rows, 3] */
  double *weights;
  bool *truth;
} room;

static void measure_signals(gm_present_unit *unit, const gm_fit_row *rows, size_t n_rows) {
  double all = 0;
  for (size_t r = 0; r < n_rows; r++) all += rows[r].weight;
  for (size_t i = 0; i < unit->n; i++) {
    double sum = 0, squares = 0;
    for (size_t r = 0; r < n_rows; r++) {
      double v = (double)gm_present_term_value(unit->terms[i], rows[r].signals);
      sum += rows[r].weight * v;
      squares += rows[r].weight * v * v;
    }
    double mean = sum / all, deviation = sqrt(fmax(squares / all - mean * mean, 0));
    unit->mean[i] = (float)mean;
    unit->scale[i] = deviation > 1e-6 ? (float)(1 / deviation) : 0;
  }
}

static gm_status fit_present(gm_present_unit *unit, const gm_fit_row *rows, size_t n_rows,
                             room *at, gm_error *err) {
  double w[GM_LOGISTIC_MOST];
  size_t n = unit->n + 1;
  for (size_t r = 0; r < n_rows; r++) {
    double *x = at->x + r * n;
    for (size_t i = 0; i < unit->n; i++) {
      float v = (gm_present_term_value(unit->terms[i], rows[r].signals) - unit->mean[i]) *
                unit->scale[i];
      x[i] = (double)fmaxf(-GM_PRESENT_MOST, fminf(v, GM_PRESENT_MOST));
    }
    x[unit->n] = 1;
    at->truth[r] = rows[r].present;
    at->weights[r] = rows[r].weight;
  }
  if (!gm_logistic_fit(at->x, at->truth, at->weights, n_rows, n, w))
    return gm_fail(err, GM_ERR_ARGUMENT, "the signals of these pictures give no head");
  for (size_t i = 0; i < unit->n; i++) unit->weights[i] = (float)w[i];
  unit->bias = (float)w[unit->n];
  return GM_OK;
}

/* The slope of the share must not be negative: then the share is left out. */
static gm_status fit_score(gm_present_unit *unit, const gm_fit_row *rows, size_t n_rows,
                           room *at, gm_error *err) {
  double w[3] = {0};
  bool uses_share = true;
  for (int attempt = 0; attempt < 2; attempt++) {
    for (size_t r = 0; r < n_rows; r++) {
      double *x = at->x + r * 3;
      x[0] = (double)gm_present_logit(unit, rows[r].signals);
      x[1] = uses_share ? (double)gm_present_logit_of(rows[r].share) : 0;
      x[2] = 1;
      at->truth[r] = rows[r].right;
      at->weights[r] = 1;
    }
    if (!gm_logistic_fit(at->x, at->truth, at->weights, n_rows, 3, w))
      return gm_fail(err, GM_ERR_ARGUMENT, "the shares of these pictures give no score");
    if (w[1] >= 0) break;
    uses_share = false;
  }
  unit->score[0] = (float)w[2];
  unit->score[1] = (float)w[0];
  unit->score[2] = (float)fmax(w[1], 0);
  return GM_OK;
}

gm_status gm_fit_unit(gm_present_unit *out, const gm_fit_row *rows, size_t n_rows,
                      const gm_present_term *use, size_t n, gm_error *err) {
  size_t there = 0, columns = n + 1 > 3 ? n + 1 : 3;
  *out = (gm_present_unit){.n = n};
  memcpy(out->terms, use, n * sizeof *use);
  for (size_t r = 0; r < n_rows; r++) there += rows[r].present;
  if (there == 0 || there == n_rows)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu phrases that are there and %zu that are not, wanted some of both",
                   there, n_rows - there);
  room at = {malloc(n_rows * columns * sizeof *at.x), malloc(n_rows * sizeof *at.weights),
             malloc(n_rows * sizeof *at.truth)};
  gm_status status = at.x && at.weights && at.truth
                         ? GM_OK
                         : gm_fail_memory(err, "the rows", n_rows * columns * sizeof *at.x);
  if (status == GM_OK) {
    measure_signals(out, rows, n_rows);
    status = fit_present(out, rows, n_rows, &at, err);
  }
  if (status == GM_OK) status = fit_score(out, rows, n_rows, &at, err);
  free(at.x);
  free(at.weights);
  free(at.truth);
  return status;
}

/* ---- measures ---- */

typedef struct ranked {
  double value;
  bool truth;
} ranked;

static int by_value(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  return (x->value > y->value) - (x->value < y->value);
}

gm_status gm_fit_auc(const double *values, const bool *truth, size_t n, double *out,
                     gm_error *err) {
  *out = NAN;
  ranked *all = malloc((n + 1) * sizeof *all);
  if (!all) return gm_fail_memory(err, "the values", n * sizeof *all);
  size_t with = 0;
  double ranks = 0;
  for (size_t i = 0; i < n; i++) {
    all[i] = (ranked){values[i], truth[i]};
    with += truth[i];
  }
  qsort(all, n, sizeof *all, by_value);
  for (size_t i = 0, end; i < n; i = end) {
    for (end = i; end < n && all[end].value == all[i].value;) end++;
    /* Ranks from 1; equal values share their mean. */
    for (size_t k = i; k < end; k++)
      if (all[k].truth) ranks += (double)(i + 1 + end) / 2;
  }
  free(all);
  if (with > 0 && with < n)
    *out =
        (ranks - (double)with * (double)(with + 1) / 2) / ((double)with * (double)(n - with));
  return GM_OK;
}

double gm_fit_ece(const double *probabilities, const bool *truth, size_t n) {
  double sum[BINS] = {0}, right[BINS] = {0}, error = 0;
  for (size_t i = 0; i < n; i++) {
    size_t bin = (size_t)fmin(fmax(probabilities[i], 0) * BINS, BINS - 1);
    sum[bin] += probabilities[i];
    right[bin] += truth[i];
  }
  for (size_t b = 0; b < BINS; b++) error += fabs(right[b] - sum[b]);
  return n ? error / (double)n : NAN;
}
