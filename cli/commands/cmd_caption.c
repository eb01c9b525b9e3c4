/* cmd_caption.c - gromatic caption: a picture in words, every phrase tied to its boxes. */
#include "batch.h"
#include "commands.h"

static gm_status run(const cli_job *job, gm_scene *scene, cli_report *report, gm_error *err) {
  gm_ask_params params = cli_ask_params(job->args);
  gm_answer *answer = NULL;
  gm_status status = gm_caption(scene, &params, &job->callbacks, &answer, err);
  if (job->stream && answer) fputc('\n', report->text);
  report->partial = answer != NULL;
  if (answer) cli_report_answer(report, report->json, answer, job->args->raw, job->stream);
  gm_answer_free(answer);
  return status;
}

int cmd_caption(const cli_args *args) {
  cli_job job = {.args = args, .command = "caption", .run = run, .stream = true};
  return cli_run_batch(&job, &args->inputs);
}
