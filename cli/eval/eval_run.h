/* eval_run.h - what the evaluations share: progress, pictures that fail, the closing lines. */
#ifndef CLI_EVAL_RUN_H
#define CLI_EVAL_RUN_H

#include "arguments.h"
#include "progress.h"

#include "gromatic.h"

#include <jansson.h>

enum { EVAL_FAILURES_NAMED = 10 };

typedef struct eval_run {
  const cli_args *args;
  size_t n_pictures, n_boxes; /* of the data set; n_boxes 0: it has no boxes */
  size_t n_left_out;          /* entries of the data set that cannot be used */
  size_t n_done;              /* pictures of the current task */
  size_t n_failed;            /* pictures, each counted once */
  cli_progress progress;
  double began;
} eval_run;

/* n_boxes: true ones; n_left_out: entries of the data set. */
eval_run eval_run_begin(const cli_args *args, size_t n_pictures, size_t n_boxes,
                        size_t n_left_out);
/* Call before picture i: shows the progress of the task. */
void eval_run_at(eval_run *run, const char *task, size_t i);
/* Call when a picture failed: names the first ones, with -v all. False after Ctrl-C: the run
 * ends. */
bool eval_run_fail(eval_run *run, const char *path, gm_status status, const gm_error *err);
/* Prints the closing lines on stderr. code: the result apart from failed pictures. Returns the
 * run's exit code. */
int eval_run_end(eval_run *run, int code);

/* The member "skipped" of a result: {"pictures", "entries"}. */
json_t *eval_run_skipped(const eval_run *run);

#endif
