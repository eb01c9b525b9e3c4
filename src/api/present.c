/* present.c - see present.h. */
#include "present.h"

#include <math.h>

float gm_present_estimate(const float *logits, const gm_prompt *prompt, size_t n) {
  const float *regions = logits + prompt->region_0;
  float none = logits[prompt->roi_end], largest = none;
  double named = 0;
  for (size_t i = 0; i < n; i++) largest = fmaxf(largest, regions[i]);
  for (size_t i = 0; i < n; i++) named += exp((double)regions[i] - (double)largest);
  double present = named / (named + exp((double)none - (double)largest));
  return isfinite(present) ? (float)present : 0; /* damaged weights */
}
