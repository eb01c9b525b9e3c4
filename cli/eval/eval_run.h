/* eval_run.h - what the evaluations share as they go over their pictures: progress, pictures
 * that fail, the closing line. */
#ifndef CLI_EVAL_RUN_H
#define CLI_EVAL_RUN_H

#include "arguments.h"
#include "progress.h"

#include "gromatic.h"

#include <jansson.h>

enum { EVAL_FAILURES_NAMED = 10 };

typedef struct eval_run {
  const cli_args *args;
  size_t n_pictures, n_boxes; /* of the data set; 0: it has no boxes */
  size_t n_left_out;          /* entries of the data set that cannot be used */
  size_t n_done;              /* pictures of the task that runs */
  size_t n_failed;            /* pictures, each counted once */
  cli_progress progress;
  double began;
} eval_run;

/* n_boxes: true ones; n_left_out: entries of the data set. */
eval_run eval_run_begin(const cli_args *args, size_t n_pictures, size_t n_boxes,
                        size_t n_left_out);
/* Before picture i: draws how far the task is. */
void eval_run_at(eval_run *run, const char *task, size_t i);
/* A picture failed: names the first ones, all with -v. True where the others go on: but after
 * Ctrl-C. */
bool eval_run_fail(eval_run *run, const char *path, gm_status status, const gm_error *err);
/* The closing lines on stderr. code: of what went wrong besides pictures. Returns the whole
 * run's. */
int eval_run_end(eval_run *run, int code);

/* "skipped" of a result's JSON: {"pictures", "entries"}. */
json_t *eval_run_skipped(const eval_run *run);

#endif
