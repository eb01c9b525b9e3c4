/* weight_pool.h - handmade weights that all learn: they lie one after another in one array, and
 * their gradients in another. */
#ifndef GM_WEIGHT_POOL_H
#define GM_WEIGHT_POOL_H

#include "ops_support.h"

#include "training.h"

typedef struct weight_pool {
  float *weights, *gradient; /* [n] */
  size_t n, taken;
  gm_learned learned;
  gm_learned_set set;
  gm_training t; /* two threads */
  gm_error err;
} weight_pool;

/* n weights, uniform in [-size, size). The pool must stay where it is. */
void weight_pool_open(weight_pool *pool, size_t n, float size, uint64_t seed);
void weight_pool_close(weight_pool *pool);

/* The next weights that are not taken yet; fails the test if there are too few. */
const float *weight_pool_vector(weight_pool *pool, size_t n);
gm_tensor weight_pool_matrix(weight_pool *pool, size_t rows, size_t columns);

#endif
