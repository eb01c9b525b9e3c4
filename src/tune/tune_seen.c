/* tune_seen.c - see tune_seen.h. */
#include "tune_seen.h"

#include <stdlib.h>

void gm_tune_seen_free(gm_tune_seen *seen) {
  free(seen->values);
  free(seen->proposals);
  free(seen->scores);
  free(seen->boxes);
  free(seen->vectors);
  *seen = (gm_tune_seen){0};
}

size_t gm_tune_seen_find(const gm_tune_seen *seen, gm_rel_box box) {
  size_t at = 0;
  while (at < seen->n && !gm_rel_box_same(seen->boxes[at], box)) at++;
  return at;
}

gm_status gm_tune_seen_grow(gm_tune_seen *seen, size_t n, size_t dim, gm_error *err) {
  size_t all = seen->n + n, row = dim * sizeof(float);
  gm_rel_box *boxes = realloc(seen->boxes, all * sizeof *boxes);
  if (boxes) seen->boxes = boxes;
  float *vectors = realloc(seen->vectors, all * row);
  if (vectors) seen->vectors = vectors;
  if (!boxes || !vectors) return gm_fail_memory(err, "vectors of regions", all * row);
  seen->bytes += n * (row + sizeof *boxes);
  return GM_OK;
}

void *gm_tune_seen_alloc(gm_tune_seen *seen, size_t bytes) {
  void *memory = malloc(bytes);
  if (memory) seen->bytes += bytes;
  return memory;
}
