/* present.h - whether the thing that a phrase names is there at all: the signals that a head
 * (present_head.h) looks at, and what it makes of them. docs/PRESENT.md. */
#ifndef GM_PRESENT_H
#define GM_PRESENT_H

#include "gromatic.h"
#include "present_head.h"
#include "prompt.h"

/* Where a region is to be named, the likelihood that one is: of <r0> .. <r(n-1)> against
 * </roi>, from the logits of that step. An estimate for models without a head. */
float gm_present_estimate(const float *logits, const gm_prompt *prompt, size_t n);

/* The signals of the same step that the logits [vocab] hold; the others become NaN. Returns the
 * region of the largest logit. n >= 1. */
size_t gm_present_signals(float signals[GM_SIGNALS], const float *logits, size_t vocab,
                          const gm_prompt *prompt, size_t n);
/* ln of the number of words, at least of one. */
float gm_present_words(const char *phrase);

/* Whether the CLIP is the one that the head was fitted with. */
bool gm_present_fits(const gm_present_head *head, const gm_clip *clip);

/* The CLIP's signals of n phrases, whose best regions are boxes[n]. background [n_words, D].
 * Errors: as gm_clip_encode_boxes and gm_clip_encode_texts. */
gm_status gm_present_look(gm_clip *clip, const gm_image *image, const float *background,
                          size_t n_words, const char *const *phrases, const gm_box *boxes,
                          size_t n, const gm_callbacks *callbacks, float (*signals)[GM_SIGNALS],
                          gm_error *err);

/* The signals of a result of gm_ground, for fitting a head. */
const float *gm_ground_signals(const gm_ground_result *result);

#endif
