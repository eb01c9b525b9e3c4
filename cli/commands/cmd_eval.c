/* cmd_eval.c - gromatic eval: measures a model on annotated pictures (eval_tasks.h).
 * With -v each answer is a line of JSON before its task's result. */
#include "batch.h"
#include "commands.h"
#include "dataset.h"
#include "eval_benchmark.h"
#include "eval_chat.h"
#include "eval_classify.h"
#include "eval_label.h"
#include "eval_run.h"
#include "eval_tasks.h"
#include "progress.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

typedef struct evaluation {
  const cli_args *args;
  dataset set;
  eval_run run;
  eval_subject subject;
} evaluation;

static void print_result(const evaluation *e, size_t task, double seconds) {
  const eval_tally *first = &e->subject.a, *second = &e->subject.b;
  double a = first->n ? first->sum / (double)first->n : 0,
         b = second->n ? second->sum / (double)second->n : 0;
  if (e->args->json) {
    json_t *line = json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "set", e->args->coco, "method",
                             eval_tasks[task].name, "n", (json_int_t)first->n,
                             eval_tasks[task].measure_a, out_json_number(a), "seconds",
                             out_json_number(seconds), "skipped", eval_run_skipped(&e->run));
    if (eval_tasks[task].measure_b)
      json_object_set_new(line, eval_tasks[task].measure_b, out_json_number(b));
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(10));
    if (text) cli_put_json(stdout, text);
    free(text);
    json_decref(line);
    return;
  }
  printf("%-10s %s %.4f (%zu)", eval_tasks[task].name, eval_tasks[task].measure_a, a, first->n);
  if (eval_tasks[task].measure_b)
    printf("  %s %.4f (%zu)", eval_tasks[task].measure_b, b, second->n);
  printf("  %.1f s\n", seconds);
}

static int run_task(evaluation *e, size_t task) {
  double began = cli_now();
  e->subject.a = e->subject.b = (eval_tally){0};
  for (size_t i = 0; i < e->set.n_pictures; i++) {
    data_picture *p = &e->set.pictures[i];
    gm_error err = {0};
    if (p->failed) continue; /* in an earlier task */
    eval_run_at(&e->run, eval_tasks[task].name, i);
    gm_status status = eval_picture(&e->subject, p, eval_tasks[task].run, &err);
    p->failed = status != GM_OK;
    if (p->failed && !eval_run_fail(&e->run, p->path, status, &err)) return CLI_INTERRUPTED;
  }
  cli_progress_clear(&e->run.progress);
  if (e->run.n_failed < e->set.n_pictures) print_result(e, task, cli_now() - began);
  return CLI_DONE;
}

int cmd_eval(const cli_args *args) {
  bool wanted[EVAL_TASKS] = {false};
  if (args->inputs.n > 0 && strcmp(args->inputs.items[0], "label") == 0)
    return cli_eval_label(args);
  if (args->inputs.n == 2 && strcmp(args->inputs.items[0], "classify") == 0)
    return cli_eval_classify(args, args->inputs.items[1]);
  if (args->inputs.n > 0 && strcmp(args->inputs.items[0], "chat") == 0)
    return cli_eval_chat(args);
  if (cli_chat_option(args)) {
    cli_error("eval: %s is for chat", cli_chat_option(args));
    return CLI_USAGE;
  }
  if (args->inputs.n > 0 && cli_is_benchmark(args)) return cli_eval_benchmark(args);
  if (cli_benchmark_option(args)) {
    cli_error("eval: %s is for rec, lvis-ground, proposals, region-captions, chat and ground",
              cli_benchmark_option(args));
    return CLI_USAGE;
  }
  if (args->inputs.n == 0 || !args->coco) {
    cli_error(
        "eval: wanted tasks (detect, ground, describe, caption), or label, and --coco FILE, or "
        "classify and FOLDER or FILE.csv");
    return CLI_USAGE;
  }
  for (size_t i = 0; i < args->inputs.n; i++) {
    size_t k = 0;
    while (k < EVAL_TASKS && strcmp(eval_tasks[k].name, args->inputs.items[i]) != 0) k++;
    if (k == EVAL_TASKS || (eval_tasks[k].needs_refs && !args->refs)) {
      cli_error(k == EVAL_TASKS
                    ? "eval: found '%s', wanted detect, ground, describe, caption or label"
                    : "eval %s: wanted --refs FILE, the expressions",
                args->inputs.items[i]);
      return CLI_USAGE;
    }
    wanted[k] = true;
  }
  if (args->regions_file) {
    cli_error("eval: --regions is for one picture; leave it out");
    return CLI_USAGE;
  }
  cli_catch_interrupt();
  evaluation e = {.args = args};
  if (!dataset_load(&e.set, args->coco, args->refs, args->images, (size_t)args->limit, false))
    return CLI_USAGE;
  e.subject = (eval_subject){.args = args, .set = &e.set, .callbacks = cli_callbacks()};
  int code = cli_open_model(args, 0, false, &e.subject.model);
  e.run = eval_run_begin(args, e.set.n_pictures, e.set.n_objects, dataset_left_out(&e.set));
  bool opened = code == CLI_DONE;
  for (size_t k = 0; code == CLI_DONE && k < EVAL_TASKS; k++)
    if (wanted[k]) code = run_task(&e, k);
  if (opened) code = eval_run_end(&e.run, code);
  cli_close_model(args, e.subject.model);
  dataset_free(&e.set);
  return code;
}
