/* sample.h - one visit of a picture, as every data format gives it and every training stage
 * takes it. */
#ifndef GM_SAMPLE_H
#define GM_SAMPLE_H

#include "arena.h"
#include "regions.h"

typedef enum gm_task {
  GM_TASK_DETECT,
  GM_TASK_LOCATE,
  GM_TASK_LOCATE_ALL,
  GM_TASK_DESCRIBE,
  GM_TASK_DESCRIBE_LONG,
  GM_TASK_GROUNDED_CAPTION,
  GM_TASK_CHAT
} gm_task;

/* Which of the proposer's class heads a set of pictures teaches. */
typedef enum gm_source { GM_SOURCE_COCO, GM_SOURCE_SA1B } gm_source;

/* Text as the prompt has it, with <refer_box>, <ground_box> and <refer_feat> where boxes stand.
 */
typedef struct gm_turn {
  const char *question, *answer;
} gm_turn;

/* All pointers lie in the arena that the sample was made in. Boxes are relative to the whole
 * picture, (cx, cy, w, h) in 0..1. */
typedef struct gm_sample {
  gm_task task;
  gm_source source;
  const char *image;       /* path */
  const gm_rel_box *boxes; /* detect: all of them */
  size_t n_boxes;
  const gm_turn *turns;
  size_t n_turns;
  /* In the order of their marks in the text of all turns. */
  const gm_rel_box *refer, *ground;
  size_t n_refer, n_ground;
} gm_sample;

#endif
