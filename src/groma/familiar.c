/* familiar.c - see familiar.h. Plain loops: a thousandth of the work of the encoder before. */
#include "familiar.h"

#include <assert.h>
#include <stdlib.h>

static int rising(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static float distance(const float *rows, size_t n, size_t dim, const float *state) {
  float sum = 0;
  for (size_t k = 0; k < n; k++) {
    const float *row = rows + k * (dim + 1);
    float y = row[dim];
    for (size_t i = 0; i < dim; i++) y += row[i] * state[i];
    sum += y * y;
  }
  return sum;
}

gm_status gm_unlikeness(const float *rows, size_t n, size_t dim, const float *states,
                        size_t patches, float *out, gm_error *err) {
  *out = 0;
  assert(patches > 0);
  float *each = malloc(patches * sizeof *each);
  if (!each) return gm_fail_memory(err, "the patches", patches * sizeof *each);
  for (size_t i = 0; i < patches; i++) each[i] = distance(rows, n, dim, states + i * dim);
  qsort(each, patches, sizeof *each, rising);
  *out = (each[(patches - 1) / 2] + each[patches / 2]) / 2;
  free(each);
  return GM_OK;
}
