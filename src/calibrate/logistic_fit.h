/* logistic_fit.h - logistic regression with a small ridge, by Newton's method (iteratively
 * reweighted least squares). */
#ifndef GM_LOGISTIC_FIT_H
#define GM_LOGISTIC_FIT_H

#include <stdbool.h>
#include <stddef.h>

enum { GM_LOGISTIC_MOST = 32 }; /* columns */

/* w[n] for x [n_rows, n], of which the last column is 1 and has no prior; n is at most
 * GM_LOGISTIC_MOST. False where there is none. */
bool gm_logistic_fit(const double *x, const bool *truth, const double *weights, size_t n_rows,
                     size_t n, double *w);

/* All columns but the last become (x - mean) scale, cut to +-most; mean and scale [n - 1]. */
void gm_standardise(double *x, size_t n_rows, size_t n, float *mean, float *scale, double most);

#endif
