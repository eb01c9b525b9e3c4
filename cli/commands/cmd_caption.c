/* cmd_caption.c - gromatic caption: a picture in words, every phrase tied to its boxes. */
#include "batch.h"
#include "commands.h"

static void report_answer(const cli_job *job, const gm_answer *answer, cli_report *report) {
  report->partial = answer != NULL;
  if (!answer) return;
  if (job->stream) fputc('\n', report->text);
  cli_report_answer(report, report->json, answer, job->args->raw, job->stream);
}

static gm_status run(const cli_job *job, gm_scene *scene, cli_report *report, gm_error *err) {
  gm_ask_params params = cli_ask_params(job->args);
  gm_answer *answer = NULL;
  gm_status status = gm_caption(scene, &params, &job->callbacks, &answer, err);
  report_answer(job, answer, report);
  gm_answer_free(answer);
  return status;
}

static gm_status run_together(const cli_job *job, gm_scene *const *scenes,
                              cli_report *const *reports, size_t n, bool *answered,
                              gm_error *err) {
  gm_ask_params params = cli_ask_params(job->args);
  gm_answer *answers[CLI_MOST_TOGETHER] = {NULL};
  gm_status status = gm_captions(scenes, n, &params, &job->callbacks, answers, err);
  for (size_t i = 0; i < n; i++) {
    /* If the context is full for one picture, the answers of others may be complete. */
    answered[i] = status == GM_OK ||
                  (status == GM_ERR_CONTEXT_FULL && answers[i] && answers[i]->complete);
    if (answered[i]) report_answer(job, answers[i], reports[i]);
    gm_answer_free(answers[i]);
  }
  return status;
}

int cmd_caption(const cli_args *args) {
  cli_job job = {.args = args,
                 .command = "caption",
                 .run = run,
                 .run_together = run_together,
                 .language = true,
                 .stream = true};
  return cli_run_batch(&job, &args->inputs);
}
