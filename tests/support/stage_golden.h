/* stage_golden.h - the reference's run of stage 2 or 3: one picture with three turns. */
#ifndef GM_STAGE_GOLDEN_H
#define GM_STAGE_GOLDEN_H

#include "support.h"

#include "sample.h"

#include <jansson.h>

typedef struct stage_golden {
  json_t *meta;
  golden *values;
  gm_turn turns[3];
  gm_rel_box refer[1], ground[3];
  gm_sample sample; /* of these */
} stage_golden;

/* name: "stage2" or "stage3". Fails the test on any error. */
void stage_golden_open(stage_golden *s, const char *name);
void stage_golden_close(stage_golden *s);
/* A number of the run by its key; of a list, element i. */
double stage_golden_number(const stage_golden *s, const char *key, size_t i);

#endif
