/* eval_run.c - see eval_run.h. */
#include "eval_run.h"

#include "terminal.h"

#include <stdio.h>
#include <string.h>

eval_run eval_run_begin(const cli_args *args, size_t n_pictures, size_t n_boxes,
                        size_t n_left_out) {
  return (eval_run){.args = args,
                    .n_pictures = n_pictures,
                    .n_boxes = n_boxes,
                    .n_left_out = n_left_out,
                    .progress = cli_progress_begin(args->quiet),
                    .began = cli_now()};
}

void eval_run_at(eval_run *run, const char *task, size_t i) {
  run->n_done = i;
  cli_progress_update(&run->progress, task, (double)i / (double)run->n_pictures);
}

bool eval_run_fail(eval_run *run, const char *path, gm_status status, const gm_error *err) {
  if (status == GM_ERR_CANCELLED) return false;
  if (run->n_failed++ >= EVAL_FAILURES_NAMED && !run->args->verbose) return true;
  const char *why = err->message[0] ? err->message : "not enough memory";
  bool told = strncmp(why, path, strlen(path)) == 0; /* the message itself has the name */
  cli_progress_clear(&run->progress);
  cli_error("%s%s%s", told ? "" : path, told ? "" : ": ", why);
  return true;
}

int eval_run_end(eval_run *run, int code) {
  cli_progress_clear(&run->progress);
  if (run->n_failed > EVAL_FAILURES_NAMED && !run->args->verbose)
    cli_error("%zu more pictures failed; -v names them", run->n_failed - EVAL_FAILURES_NAMED);
  if (code == CLI_INTERRUPTED)
    cli_error("interrupted after %zu of %zu pictures", run->n_done, run->n_pictures);
  else if (code == CLI_DONE && run->n_failed == run->n_pictures)
    cli_error("nothing was measured: all pictures failed");
  if (run->n_pictures > 1 && !run->args->quiet && code != CLI_INTERRUPTED) {
    fprintf(stderr, "gromatic: %zu pictures, ", run->n_pictures);
    if (run->n_boxes) fprintf(stderr, "%zu true boxes, ", run->n_boxes);
    fprintf(stderr, "%zu failure%s, %zu entr%s left out, %.1f s\n", run->n_failed,
            run->n_failed == 1 ? "" : "s", run->n_left_out, run->n_left_out == 1 ? "y" : "ies",
            cli_now() - run->began);
  }
  return code == CLI_DONE && run->n_failed ? CLI_SOME_FAILED : code;
}

json_t *eval_run_skipped(const eval_run *run) {
  return json_pack("{s:I, s:I}", "pictures", (json_int_t)run->n_failed, "entries",
                   (json_int_t)run->n_left_out);
}
