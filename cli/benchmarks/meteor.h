/* meteor.h - METEOR 1.5 (Denkowski and Lavie 2014) by its own program, a jar run with java. */
#ifndef CLI_METEOR_H
#define CLI_METEOR_H

#include "caption_scores.h"

/* The score of the whole set as coco-caption asks for it: of the summed statistics of all
 * entries. words: the texts of the numbers. Errors: GM_ERR_ARGUMENT (java or the jar cannot be
 * run, or answer something else), GM_ERR_MEMORY. */
gm_status meteor_score(double *out, const char *jar, const caption_entry *entries, size_t n,
                       const gm_name_table *words, gm_error *err);

#endif
