/* wca.h - the picture's side of weighted cross alignment: crops -> one vector, and when enough
 * crops have been seen.
 *
 *   wca            m = sum_i w_i f_i               w_i = softmax_i(exp(image_scale) <f, f_i>)
 *   wca-released   m = mean over redraws of unit(sum_k w_k f_pick(k)), the softmax over the
 *                      drawn ones, repeats counted
 *   the others     m = f
 *
 * In all of them m = sum_i c_i f_i, so a crop contributes c_i <f_i, u> to a score. */
#ifndef GM_WCA_H
#define GM_WCA_H

#include "classes.h"
#include "crops.h"

/* A method's result for n crops. */
typedef struct gm_wca_mix {
  float *weights; /* [n]: w_i, which sum to 1; released: mean over the redraws */
  float *scales;  /* [n]: c_i */
  float *vector;  /* [D]: m */
} gm_wca_mix;

typedef struct gm_wca_params {
  float scale; /* exp(image_scale) */
  uint32_t draws, redraws;
} gm_wca_params;

/* whole[D], crops[n, D]: unit features, n >= 1. */
void gm_wca_paper(const gm_wca_mix *out, const float *whole, const float *crops, size_t n,
                  size_t dim, const gm_wca_params *params);
/* One rng serves all redraws in turn. Errors: GM_ERR_MEMORY. */
gm_status gm_wca_released(const gm_wca_mix *out, const float *whole, const float *crops,
                          size_t n, size_t dim, const gm_wca_params *params, gm_rng *rng,
                          gm_error *err);

/* True if, after n of total crops (in random order), the class with the highest score may be
 * taken for the one that all crops would choose, at an error rate of at most `rate` for the
 * whole sequence of `looks` looks. The rule and its assumptions: docs/WCA.md. Errors:
 * GM_ERR_MEMORY. */
gm_status gm_wca_certain(const gm_classes *classes, const float *whole, const float *crops,
                         size_t n, size_t total, size_t looks, double rate,
                         const gm_wca_params *params, bool *out, gm_error *err);

/* P(T > t) for Student's t with `freedom` degrees, t >= 0. */
double gm_student_tail(double t, unsigned freedom);

#endif
