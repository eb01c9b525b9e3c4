/* region_captions.h - describing a region: a benchmark's captions against its references. */
#ifndef CLI_REGION_CAPTIONS_H
#define CLI_REGION_CAPTIONS_H

#include "score_answers.h"
#include "score_report.h"
#include "score_set.h"

/* BLEU-1 to -4, ROUGE-L, CIDEr-D, METEOR, and the numbers of entries that count and of those
 * without an answer, which are left out of everything. Of several answers to an entry the last
 * one counts. meteor_jar: METEOR 1.5, run with java; NULL: METEOR is not computed. Errors:
 * GM_ERR_ARGUMENT (an entry without a reference, no answer at all, the jar fails),
 * GM_ERR_MEMORY. */
gm_status region_captions_score(score_report *out, const score_set *set,
                                const score_answers *answers, const char *meteor_jar,
                                gm_error *err);

#endif
