/* choice.h - the members that classify and label share: classes, method, crops, scoring. They
 * have the names of the program's options, and what are files there is JSON here. */
#ifndef SRV_CHOICE_H
#define SRV_CHOICE_H

#include "class_choice.h"
#include "plan.h"

typedef struct srv_choice {
  out_class_choice choice; /* its texts are in the plan, or in own */
  char *own[4];
} srv_choice;

/* For the prepare function: the names into plan->texts, each once; 400 where there are neither
 * classes nor descriptions. */
bool srv_choice_names(srv_job *job);
/* All of them; false after an answer. Free it in any case. */
bool srv_choice_read(srv_job *job, srv_choice *out);
void srv_choice_free(srv_choice *choice);

/* For lists of members. */
#define SRV_CHOICE_MEMBERS                                                                     \
  "classes", "descriptions", "templates", "descriptors", "words", "method", "preset", "crops", \
      "alpha", "beta", "image_scale", "text_scale", "draws", "redraws", "seed", "dedup",       \
      "dedup_iou", "dedup_cosine"

#endif
