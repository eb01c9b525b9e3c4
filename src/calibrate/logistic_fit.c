/* logistic_fit.c - see logistic_fit.h. */
#include "logistic_fit.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 60 };
/* The prior of a weight of a standardised signal is as strong as so many rows. */
#define RIDGE 1.0

/* Solves a x = b in place by Gauss with pivots; false where a is singular. */
static bool solve(double a[GM_LOGISTIC_MOST][GM_LOGISTIC_MOST], double *b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    size_t pivot = i;
    for (size_t r = i + 1; r < n; r++)
      if (fabs(a[r][i]) > fabs(a[pivot][i])) pivot = r;
    if (!(fabs(a[pivot][i]) > 1e-12)) return false;
    for (size_t k = 0; k < n; k++) {
      double swap = a[i][k];
      a[i][k] = a[pivot][k];
      a[pivot][k] = swap;
    }
    double swap = b[i];
    b[i] = b[pivot];
    b[pivot] = swap;
    for (size_t r = 0; r < n; r++) {
      double factor = r == i ? 0 : a[r][i] / a[i][i];
      for (size_t k = i; factor != 0 && k < n; k++) a[r][k] -= factor * a[i][k];
      b[r] -= factor * b[i];
    }
  }
  for (size_t i = 0; i < n; i++) b[i] /= a[i][i];
  return true;
}

static double probability(const double *w, const double *x, size_t n) {
  double z = 0;
  for (size_t i = 0; i < n; i++) z += w[i] * x[i];
  return 1 / (1 + exp(-z));
}

bool gm_logistic_fit(const double *x, const bool *truth, const double *weights, size_t n_rows,
                     size_t n, double *w) {
  memset(w, 0, n * sizeof *w);
  for (int round = 0; round < ROUNDS; round++) {
    double a[GM_LOGISTIC_MOST][GM_LOGISTIC_MOST] = {{0}}, step[GM_LOGISTIC_MOST] = {0},
           largest = 0;
    for (size_t i = 0; i + 1 < n; i++) {
      a[i][i] = RIDGE;
      step[i] = -RIDGE * w[i];
    }
    for (size_t r = 0; r < n_rows; r++) {
      const double *row = x + r * n;
      double p = probability(w, row, n), curve = weights[r] * fmax(p * (1 - p), 1e-9);
      double slope = weights[r] * ((truth[r] ? 1 : 0) - p);
      for (size_t i = 0; i < n; i++) {
        step[i] += slope * row[i];
        for (size_t k = 0; k < n; k++) a[i][k] += curve * row[i] * row[k];
      }
    }
    if (!solve(a, step, n)) return false;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(step[i]));
    /* A long step may overshoot. */
    double part = largest > 4 ? 4 / largest : 1;
    for (size_t i = 0; i < n; i++) w[i] += part * step[i];
    if (largest < 1e-8) break;
  }
  for (size_t i = 0; i < n; i++)
    if (!isfinite(w[i])) return false;
  return true;
}

void gm_standardise(double *x, size_t n_rows, size_t n, float *mean, float *scale,
                    double most) {
  for (size_t i = 0; i + 1 < n; i++) {
    double sum = 0, squares = 0;
    for (size_t r = 0; r < n_rows; r++) sum += x[r * n + i];
    double middle = n_rows ? sum / (double)n_rows : 0;
    for (size_t r = 0; r < n_rows; r++) squares += pow(x[r * n + i] - middle, 2);
    double deviation = n_rows ? sqrt(squares / (double)n_rows) : 0;
    mean[i] = (float)middle;
    scale[i] = deviation > 1e-6 ? (float)(1 / deviation) : 0;
    for (size_t r = 0; r < n_rows; r++) {
      double v = (x[r * n + i] - (double)mean[i]) * (double)scale[i];
      x[r * n + i] = fmax(-most, fmin(v, most));
    }
  }
}
