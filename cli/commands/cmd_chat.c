/* cmd_chat.c - gromatic chat: questions given with -p, one turn each, or a conversation. */
#include "batch.h"
#include "commands.h"
#include "conversation.h"
#include "questions.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

/* {1}, {2}, ... mean the same boxes in every question. */
static gm_status run(const cli_job *job, gm_scene *scene, cli_report *report, gm_error *err) {
  const cli_list *prompts = &job->args->prompts;
  gm_chat *chat = NULL;
  gm_box *boxes = calloc(job->n_boxes + 1, sizeof *boxes);
  gm_status status = boxes ? cli_job_boxes(job, report, boxes, err) : GM_ERR_MEMORY;
  if (status == GM_OK) status = gm_chat_create(&chat, scene, err);
  for (size_t i = 0; status == GM_OK && i < prompts->n; i++) {
    gm_ask_params params = cli_ask_params(job->args);
    /* Boxes that are in no question follow the first one. */
    params.boxes = boxes;
    params.n_boxes = i == 0 || strchr(prompts->items[i], '{') ? job->n_boxes : 0;
    gm_answer *answer = NULL;
    status = gm_chat_ask(chat, prompts->items[i], &params, &job->callbacks, &answer, err);
    report->partial = report->partial || answer;
    if (answer) {
      if (job->stream) fputc('\n', report->text);
      if (i > 0) fputc('\n', report->text);
      json_t *object = cli_report_next(report);
      cli_json_question(report, object, prompts->items[i], params.boxes, params.n_boxes);
      cli_report_answer(report, object, answer, job->args->raw, job->stream);
    }
    gm_answer_free(answer);
  }
  gm_chat_free(chat);
  free(boxes);
  return status;
}

/* Checks the questions before a model is opened: {2} with one box, or no words. False after a
 * message. */
static bool check_questions(const cli_args *args) {
  for (size_t i = 0; i < args->prompts.n; i++) {
    const char *text = args->prompts.items[i];
    if (!text[strspn(text, " \t\r\n\v\f")]) {
      cli_error("-p: question %zu is empty, wanted words", i + 1);
      return false;
    }
    char place[CLI_PLACE];
    if (args->verbatim || !cli_place_without_box(text, args->boxes.n, place)) continue;
    cli_error("-p: the question says %s, but %zu boxes were given; number the boxes from {1} "
              "and give a --box for each",
              place, args->boxes.n);
    return false;
  }
  return true;
}

int cmd_chat(const cli_args *args) {
  if (args->grounding && args->no_grounding) {
    cli_error("chat: found --grounding and --no-grounding, wanted one of them");
    return CLI_USAGE;
  }
  if (args->prompts.n == 0) return cli_converse(args);
  if (!check_questions(args)) return CLI_USAGE;
  cli_job job = {.args = args,
                 .command = "chat",
                 .run = run,
                 .language = true,
                 .stream = args->prompts.n == 1};
  return cli_run_batch(&job, &args->inputs);
}
