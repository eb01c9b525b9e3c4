/* box_scores.h - the recall figures: LVIS-Ground and class-agnostic proposals. */
#ifndef CLI_BOX_SCORES_H
#define CLI_BOX_SCORES_H

#include "recall.h"
#include "score_report.h"

/* Number of the class that is asked for in each image: that of its first annotation that
 * training would keep, else of its first; GM_NAME_NONE without any. out: [n_images]. */
void lvis_asked(const score_set *set, size_t *out);

/* AR, AR50, AR75, ARs, ARm, ARl. A picture's first 300 boxes count; with as_many only as many
 * as it has true boxes of the class that is asked for. GM_ERR_MEMORY. */
gm_status lvis_score(score_report *out, const score_set *set, const score_answers *answers,
                     bool as_many, gm_error *err);

/* AR@1, @10, @100 and @300, for all sizes and for each. GM_ERR_MEMORY. */
gm_status proposals_score(score_report *out, const score_set *set, const score_answers *answers,
                          gm_error *err);

#endif
