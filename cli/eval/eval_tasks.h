/* eval_tasks.h - the tasks that a Groma is measured by, and their measures:
 *
 *   detect    share of objects with a region at IoU > 0.5; share of regions with an object
 *   ground    share of expressions whose box is right at IoU > 0.5: the first region of a free
 *             greedy answer; the region with the highest score under constraint
 *   describe  share of true boxes whose answer is the category's name with its article
 *   caption   F1 of the phrases against the objects' names, mean over pictures */
#ifndef CLI_EVAL_TASKS_H
#define CLI_EVAL_TASKS_H

#include "arguments.h"
#include "dataset.h"

typedef struct eval_tally {
  double sum, squares;
  size_t n;
} eval_tally;
void eval_count(eval_tally *tally, double value);

/* What is measured, and the sums so far. With args->verbose each answer is printed as a line of
 * JSON. */
typedef struct eval_subject {
  const cli_args *args;
  gm_model *model;
  const dataset *set;
  gm_callbacks callbacks;
  eval_tally a, b; /* the task's two measures */
} eval_subject;

typedef gm_status eval_task_fn(eval_subject *e, gm_scene *scene, const data_picture *p,
                               gm_error *err);

typedef struct eval_task {
  const char *name;
  eval_task_fn *run;
  const char *measure_a, *measure_b; /* b may be NULL */
  bool needs_refs;
} eval_task;
enum { EVAL_TASKS = 4 };
extern const eval_task eval_tasks[EVAL_TASKS];

/* Opens the picture, and runs a task on its scene. */
gm_status eval_picture(eval_subject *e, const data_picture *p, eval_task_fn *run,
                       gm_error *err);

#endif
