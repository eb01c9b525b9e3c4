/* run_boxes.c - see run_boxes.h. */
#include "run_boxes.h"

#include <math.h>
#include <stdlib.h>

gm_status gm_boxes_match(const gm_rel_box *found, size_t n, const gm_rel_box *wanted,
                         size_t n_wanted, double iou, size_t *matched, gm_error *err) {
  bool *taken = calloc(n_wanted + 1, sizeof *taken);
  *matched = 0;
  if (!taken) return gm_fail_memory(err, "boxes", n_wanted);
  for (size_t i = 0; i < n; i++) {
    size_t best = n_wanted;
    double most = iou;
    for (size_t k = 0; k < n_wanted; k++) {
      double overlap = taken[k] ? -1 : gm_region_iou(found[i], wanted[k]);
      if (overlap < most || (best < n_wanted && overlap == most)) continue;
      most = overlap;
      best = k;
    }
    if (best == n_wanted) continue;
    taken[best] = true;
    ++*matched;
  }
  free(taken);
  return GM_OK;
}

gm_status gm_boxes_finite(const gm_rel_box *boxes, const float *scores, size_t n,
                          gm_error *err) {
  for (size_t i = 0; i < n; i++) {
    gm_rel_box b = boxes[i];
    if (!isfinite(b.cx + b.cy + b.w + b.h + scores[i]))
      return gm_fail(err, GM_ERR_MODEL,
                     "box %zu that the model proposes is not a number: the weights diverged; "
                     "go on from best.gguf with a smaller rate",
                     i);
  }
  return GM_OK;
}
