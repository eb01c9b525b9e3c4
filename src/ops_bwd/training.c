#include "training.h"

#include <assert.h>
#include <stdlib.h>

static int by_address(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)((const gm_learned *)a)->weights;
  uintptr_t y = (uintptr_t)((const gm_learned *)b)->weights;
  return (x > y) - (x < y);
}

void gm_learned_set_sort(gm_learned_set *set) {
  if (set->n) qsort(set->all, set->n, sizeof *set->all, by_address);
}

gm_learned *gm_learned_find(const gm_learned_set *set, const void *weights) {
  if (!set || !weights) return NULL;
  size_t low = 0, high = set->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    uintptr_t begin = (uintptr_t)set->all[middle].weights, at = (uintptr_t)weights;
    if (at < begin) {
      high = middle;
    } else if (at - begin >= set->all[middle].bytes) {
      low = middle + 1;
    } else {
      return &set->all[middle];
    }
  }
  return NULL;
}

float *gm_gradient(const gm_training *t, const void *weights) {
  gm_learned *learned = gm_learned_find(t->learned, weights);
  if (!learned || !learned->gradient) return NULL;
  size_t offset =
      (size_t)((const unsigned char *)weights - (const unsigned char *)learned->weights);
  assert(offset % sizeof(float) == 0);
  learned->reached = true;
  return learned->gradient + offset / sizeof(float);
}
