/* class_head.h - linear classifiers on hidden vectors, which only training uses. */
#ifndef GM_CLASS_HEAD_H
#define GM_CLASS_HEAD_H

#include "ops_bwd.h"
#include "params.h"

/* On the layer-normalised vector. */
typedef struct gm_class_head {
  gm_tensor w;
  const float *bias;   /* w and bias belong to the params */
  float *ones, *zeros; /* of the layer norm */
  size_t n, dim;
} gm_class_head;

/* Errors: GM_ERR_MEMORY; gm_class_head_free in any case. */
gm_status gm_class_head_add(gm_class_head *h, gm_params *params, const char *name, size_t n,
                            size_t dim, gm_error *err);
void gm_class_head_free(gm_class_head *h);

/* The mean loss of x[rows, dim] by its targets, of those >= 0. Adds the gradient by x, times
 * weight, to d[rows, dim]; NULL: only the loss. *right: how many are right. */
gm_status gm_class_head_classify(const gm_training *t, const gm_class_head *h, const float *x,
                                 size_t rows, const int32_t *targets, double weight, float *d,
                                 double *loss, size_t *right);

#endif
