/* present.h - whether the thing that a phrase names is there at all. docs/PRESENT.md. */
#ifndef GM_PRESENT_H
#define GM_PRESENT_H

#include "prompt.h"

/* Where a region is to be named, the likelihood that one is: of <r0> .. <r(n-1)> against
 * </roi>, from the logits of that step. An estimate for models without a head. */
float gm_present_estimate(const float *logits, const gm_prompt *prompt, size_t n);

#endif
