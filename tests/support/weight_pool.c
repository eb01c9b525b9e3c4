/* weight_pool.c - see weight_pool.h. */
#include "weight_pool.h"

#include <stdlib.h>

void weight_pool_open(weight_pool *pool, size_t n, float size, uint64_t seed) {
  gm_rng rng = {seed};
  *pool = (weight_pool){.n = n};
  pool->weights = random_floats(&rng, n, -size, size);
  pool->gradient = zeros(n);
  pool->learned = (gm_learned){
      .weights = pool->weights, .bytes = n * sizeof(float), .gradient = pool->gradient};
  pool->set = (gm_learned_set){&pool->learned, 1};
  pool->t = (gm_training){.c = compute_open(2, NULL), .learned = &pool->set};
  pool->t.c->err = &pool->err;
}

void weight_pool_close(weight_pool *pool) {
  compute_close(pool->t.c);
  free(pool->weights);
  free(pool->gradient);
}

const float *weight_pool_vector(weight_pool *pool, size_t n) {
  assert_true(n <= pool->n - pool->taken);
  pool->taken += n;
  return pool->weights + pool->taken - n;
}

gm_tensor weight_pool_matrix(weight_pool *pool, size_t rows, size_t columns) {
  return f32_matrix(weight_pool_vector(pool, rows * columns), rows, columns);
}
