/* question_templates.h - the questions that Groma's training asks, by task (its public data
 * code). */
#ifndef GM_QUESTION_TEMPLATES_H
#define GM_QUESTION_TEMPLATES_H

#include "sample.h"

/* @ stands for <p>phrase</p> or for the region. */
typedef struct gm_question_list {
  const char *const *questions;
  size_t n; /* 0: the task has none of its own */
} gm_question_list;

gm_question_list gm_question_templates(gm_task task);

#endif
