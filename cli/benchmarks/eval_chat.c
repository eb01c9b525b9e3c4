/* eval_chat.c - see eval_chat.h. */
#include "eval_chat.h"

#include "benchmark_run.h"
#include "terminal.h"
#include "text_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct chat_eval {
  const cli_args *args;
  char *questions, *context, *references, *predictions; /* the files' texts */
  chat_set set;
  score_answers answers;
  const char **texts; /* [set.n] the answers; NULL: none */
  char sha256[65];
  size_t n_failed; /* pictures */
  chat_judge judge;
} chat_eval;

const char *cli_chat_option(const cli_args *args) {
  return args->questions      ? "--questions"
         : args->context_file ? "--context"
         : args->references   ? "--references"
         : args->judge        ? "--judge"
         : args->judge_model  ? "--judge-model"
         : args->rules        ? "--rules"
                              : NULL;
}

static const char *usage_error(const cli_args *args) {
  if (args->inputs.n != 1) return "wanted no other task beside it";
  if (!args->questions) return "wanted --questions FILE";
  if (!args->output == !args->predictions)
    return "wanted -o FILE, the answers to write, or --predictions FILE, those to judge";
  if (args->predictions && !args->judge) return "--predictions wants --judge URL";
  if (args->predictions && args->limit) return "--limit is for a model's run";
  if (args->judge && (!args->context_file || !args->references))
    return "--judge wants --context FILE and --references FILE";
  if (!args->judge && (args->judge_model || args->rules))
    return "--judge-model and --rules want --judge URL";
  if (args->coco || args->refs || args->split_name || args->protocol || args->meteor_jar ||
      args->long_form || args->templates || args->resize)
    return "--coco, --refs, --split, --protocol, --meteor-jar, --long, --templates and "
           "--resize are for other tasks";
  if (args->regions_file) return "--regions is for one picture; leave it out";
  return NULL;
}

void chat_figures(score_report *out, const chat_set *set, const chat_scores *scores) {
  double first[CHAT_CATEGORIES + 1] = {0}, second[CHAT_CATEGORIES + 1] = {0};
  size_t unread = 0;
  for (size_t i = 0; i < set->n; i++) {
    chat_category c = set->entries[i].category;
    first[c] += scores[i].first;
    second[c] += scores[i].second;
    first[CHAT_CATEGORIES] += scores[i].first;
    second[CHAT_CATEGORIES] += scores[i].second;
    unread += scores[i].first < 0;
  }
  for (size_t c = 0; c <= CHAT_CATEGORIES; c++)
    score_report_add(out, c < CHAT_CATEGORIES ? chat_category_names[c] : "overall",
                     first[c] > 0 ? 100 * second[c] / first[c] : (double)NAN);
  score_report_add_count(out, "unread", unread);
}

/* ---- the steps; each returns an exit code, after a message if it is not CLI_DONE ---- */

static gm_status read_set(chat_eval *e, gm_error *err) {
  const cli_args *args = e->args;
  gm_status status = gm_text_read(&e->questions, args->questions, err);
  if (status == GM_OK && args->judge)
    status = gm_text_read(&e->context, args->context_file, err);
  if (status == GM_OK && args->judge)
    status = gm_text_read(&e->references, args->references, err);
  if (status == GM_OK && args->predictions)
    status = gm_text_read(&e->predictions, args->predictions, err);
  if (status != GM_OK) return status;
  const score_file questions = {args->questions, e->questions},
                   context = {args->context_file, e->context},
                   references = {args->references, e->references};
  status = chat_set_read(&e->set, &questions, args->judge ? &context : NULL,
                         args->judge ? &references : NULL, err);
  if (status == GM_OK) chat_set_limit(&e->set, args->limit);
  return status;
}

static int ask_model(chat_eval *e) {
  size_t n = e->set.n;
  benchmark_item *items = calloc(n, sizeof *items);
  const char **labels = calloc(n, sizeof *labels);
  char sum[65];
  gm_sha256(e->questions, strlen(e->questions), sum);
  const benchmark_ids ids = {SCORE_CHAT, &e->set.ids, NULL, n, 0, labels, {sum, ""}};
  int code = items && labels ? CLI_DONE : CLI_SOME_FAILED;
  for (size_t i = 0; code == CLI_DONE && i < n; i++) {
    const chat_entry *q = &e->set.entries[i];
    items[i] = (benchmark_item){.file = q->image, .entry = i, .phrase = q->text};
    labels[i] = chat_category_names[q->category];
  }
  if (code == CLI_DONE)
    code = benchmark_run(&e->answers, e->sha256, &e->n_failed, e->args, GM_TASK_CHAT, &ids,
                         items, n);
  free(items);
  free(labels);
  return code;
}

static int get_answers(chat_eval *e) {
  const score_file file = {e->args->predictions, e->predictions};
  gm_error err = {0};
  int code = CLI_DONE;
  if (!e->predictions)
    code = ask_model(e);
  else if (score_answers_read(&e->answers, &file, SCORE_CHAT, &e->set.ids, e->set.n, NULL, 0,
                              &err) != GM_OK) {
    cli_report_error(&err);
    code = CLI_USAGE;
  }
  if (code != CLI_DONE && code != CLI_SOME_FAILED) return code;
  e->texts = calloc(e->set.n, sizeof *e->texts);
  if (!e->texts) return CLI_SOME_FAILED;
  size_t missing = e->set.n;
  for (size_t i = 0; i < e->answers.n; i++, missing--)
    e->texts[e->answers.items[i].entry] = e->answers.items[i].caption;
  if (missing == 0) return code;
  if (e->predictions)
    cli_error("%s: %zu of %zu questions have no answer", e->args->predictions, missing,
              e->set.n);
  else
    cli_error("%zu of %zu questions have no answer; ask again with --resume", missing,
              e->set.n);
  return e->predictions ? CLI_USAGE : CLI_SOME_FAILED;
}

static int judge_answers(chat_eval *e, score_report *report) {
  chat_scores *scores = calloc(e->set.n, sizeof *scores);
  int code = scores ? chat_judge_ask(&e->judge, &e->set, e->texts, scores) : CLI_SOME_FAILED;
  if (code == CLI_DONE) {
    const cli_args *args = e->args;
    report->notes[report->n_notes++] =
        (score_note){"judge", args->judge_model ? args->judge_model : "default"};
    report->notes[report->n_notes++] = (score_note){"rules", e->judge.rules};
    chat_figures(report, &e->set, scores);
  }
  free(scores);
  return code;
}

static int evaluate(chat_eval *e) {
  const cli_args *args = e->args;
  score_report report = {.set = args->questions,
                         .method = "chat",
                         .entries = "questions",
                         .protocol = "100 * mean(answers) / mean(references); temperature 0.2",
                         .n = e->set.n};
  int code = CLI_DONE;
  if (args->judge)
    code = chat_judge_begin(&e->judge, args, args->output ? args->output : args->predictions);
  if (code == CLI_DONE) code = get_answers(e);
  if (code != CLI_DONE) return code;
  if (!args->predictions) report.model_sha256 = e->sha256;
  if (args->judge)
    code = judge_answers(e, &report);
  else
    report.protocol = "not judged";
  if (code == CLI_DONE) score_report_print(&report, args);
  return code;
}

int cli_eval_chat(const cli_args *args) {
  chat_eval e = {.args = args};
  gm_error err = {0};
  const char *wrong = usage_error(args);
  int code = CLI_USAGE;
  cli_catch_interrupt();
  if (wrong)
    cli_error("eval chat: %s", wrong);
  else if (read_set(&e, &err) != GM_OK)
    cli_report_error(&err);
  else
    code = evaluate(&e);
  chat_judge_end(&e.judge);
  score_answers_free(&e.answers);
  chat_set_free(&e.set);
  free(e.texts);
  free(e.questions);
  free(e.context);
  free(e.references);
  free(e.predictions);
  return code;
}
