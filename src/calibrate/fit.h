/* fit.h - rows of signals -> a head's unit: two logistic regressions. */
#ifndef GM_FIT_H
#define GM_FIT_H

#include "present_head.h"

/* A phrase that was asked of a picture. */
typedef struct gm_fit_row {
  float signals[GM_SIGNALS];
  float share;  /* of its best region */
  bool present; /* its thing is there */
  bool right;   /* and the best region is it */
  double weight;
} gm_fit_row;

/* Fits with the terms use[n]. The weights of rows count for `present` alone: a score is to be
 * right for the rows as they are. Errors: GM_ERR_ARGUMENT where all rows are of one kind,
 * GM_ERR_MEMORY. */
gm_status gm_fit_unit(gm_present_unit *out, const gm_fit_row *rows, size_t n_rows,
                      const gm_present_term *use, size_t n, gm_error *err);

/* The probability that a value of those with truth is above one of those without; ties count
 * half. NaN where there are none of a kind. Errors: GM_ERR_MEMORY. */
gm_status gm_fit_auc(const double *values, const bool *truth, size_t n, double *out,
                     gm_error *err);

/* Expected calibration error: over ten equal bins of probability, the mean difference between
 * the share that is true and the mean probability, by their numbers. */
double gm_fit_ece(const double *probabilities, const bool *truth, size_t n);

#endif
