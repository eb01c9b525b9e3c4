/* heads.h - linear classifiers on hidden vectors, which only training uses. */
#ifndef GM_TRAINING_HEADS_H
#define GM_TRAINING_HEADS_H

#include "ops_bwd.h"
#include "params.h"

/* On the layer-normalised vector. */
typedef struct head {
  gm_tensor w;
  const float *bias;   /* w and bias belong to the params */
  float *ones, *zeros; /* of the layer norm */
  size_t n, dim;
} head;

/* Errors: GM_ERR_MEMORY; head_free in any case. */
gm_status head_add(head *h, gm_params *params, const char *name, size_t n, size_t dim,
                   gm_error *err);
void head_free(head *h);

/* The mean loss of x[rows, dim] by its targets, of those >= 0. Adds the gradient by x, times
 * weight, to d[rows, dim]; NULL: only the loss. *right: how many are right. */
gm_status head_classify(const gm_training *t, const head *h, const float *x, size_t rows,
                        const int32_t *targets, double weight, float *d, double *loss,
                        size_t *right);

#endif
