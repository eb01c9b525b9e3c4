/* cmd_describe.c - gromatic describe: describes each --box, briefly or at length. */
#include "batch.h"
#include "commands.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_LETTERS = 24 }; /* longer texts are not drawn beside a box */

static bool are_long(gm_answer *const *answers, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (answers[i] && strlen(answers[i]->text) > TAG_LETTERS) return true;
  return false;
}

/* Adds the number, in the box's colour, and the text to the caption below the picture. */
static bool add_to_caption(cli_report *report, size_t number, const char *text) {
  char *caption = NULL;
  size_t begin = report->caption ? strlen(report->caption) + 2 : 0;
  gm_span_colour *spans = realloc(report->spans, (report->n_spans + 1) * sizeof *report->spans);
  if (!spans) return false;
  report->spans = spans;
  int n = asprintf(&caption, "%s%s%zu %s", report->caption ? report->caption : "",
                   report->caption ? "  " : "", number, text);
  if (n < 0) return false;
  size_t digits = strcspn(caption + begin, " ");
  spans[report->n_spans++] = (gm_span_colour){.struct_size = sizeof *spans,
                                              .begin = begin,
                                              .end = begin + digits,
                                              .colour = (int32_t)(number - 1)};
  free(report->caption);
  report->caption = caption;
  return true;
}

/* A short text is drawn beside its box; a long one below the picture, with a number. */
static bool mark(cli_report *report, gm_box box, size_t i, const char *text, bool below) {
  char number[24];
  snprintf(number, sizeof number, "%zu", i + 1);
  cli_report_mark(report, box, below ? number : text, (int32_t)i);
  return !below || add_to_caption(report, i + 1, text);
}

static gm_status run(const cli_job *job, gm_scene *scene, cli_report *report, gm_error *err) {
  size_t n = job->n_boxes;
  gm_box *boxes = calloc(n, sizeof *boxes);
  gm_answer **answers = calloc(n, sizeof *answers);
  gm_status status = boxes && answers ? GM_OK : (err->status = GM_ERR_MEMORY);
  if (status == GM_OK) status = cli_job_boxes(job, report, boxes, err);
  gm_ask_params params = cli_ask_params(job->args);
  if (status == GM_OK)
    status = gm_describe(scene, boxes, n, job->args->long_form, &params, &job->callbacks,
                         answers, err);
  /* A full context cuts the answers that reach it; the others are complete. */
  for (size_t i = 0; status == GM_ERR_CONTEXT_FULL && i < n; i++)
    report->partial = report->partial || answers[i];
  if (status == GM_OK || report->partial) {
    json_t *results = json_array();
    bool below = are_long(answers, n);
    for (size_t i = 0; i < n; i++) {
      if (!answers[i]) continue;
      json_array_append_new(
          results, out_json_description(&report->frame, boxes[i], answers[i], job->args->raw));
      report->cut += !answers[i]->complete;
      cli_report_print_box(report, boxes[i]);
      fputs("  ", report->text);
      cli_put_text(report->text, answers[i]->text, strlen(answers[i]->text));
      if (job->args->raw) {
        fputs("\nraw: ", report->text);
        cli_put_text(report->text, answers[i]->raw, strlen(answers[i]->raw));
      }
      fputc('\n', report->text);
      if (!mark(report, boxes[i], i, answers[i]->text, below))
        status = err->status = GM_ERR_MEMORY;
    }
    json_object_set_new(report->json, "results", results);
  }
  for (size_t i = 0; answers && i < n; i++) gm_answer_free(answers[i]);
  free(answers);
  free(boxes);
  return status;
}

int cmd_describe(const cli_args *args) {
  if (args->boxes.n == 0) {
    cli_error("describe: no box given; say which with --box x1,y1,x2,y2");
    return CLI_USAGE;
  }
  cli_job job = {.args = args, .command = "describe", .run = run, .language = true};
  return cli_run_batch(&job, &args->inputs);
}
