/* logistic.h - logits and probabilities. */
#ifndef GM_LOGISTIC_H
#define GM_LOGISTIC_H

#include <math.h>

static inline float gm_sigmoid(float logit) {
  return 1.0f / (1.0f + expf(-logit));
}

/* The logit of p, finite for every p: p is taken into [0, 1], each side of the ratio is at
 * least 1e-5 (as in DETR's box refinement). */
static inline float gm_inverse_sigmoid(float p) {
  const float eps = 1e-5f;
  p = fminf(fmaxf(p, 0.0f), 1.0f);
  return logf(fmaxf(p, eps) / fmaxf(1.0f - p, eps));
}

#endif
