/* cmd_calibrate.c - gromatic calibrate: fits the head that says whether a phrase's thing is in
 * the picture, and writes it as an adapter. */
#include "answer_json.h"
#include "calibrate_labels.h"
#include "class_options.h"
#include "commands.h"
#include "export_formats.h"
#include "progress.h"
#include "terminal.h"
#include "tune_data.h"

#include <stdlib.h>
#include <string.h>

typedef struct calibrating {
  const cli_args *args;
  tune_data data;
  cli_progress progress;
} calibrating;

static int check_args(const cli_args *args) {
  const char *const heads[2] = {"GGUF"};
  bool labels = cli_calibrates_labels(args);
  if (!args->coco || args->inputs.n != labels || !args->output) {
    cli_error("calibrate: wanted --coco FILE or FOLDER, and -o FILE.gguf; before them "
              "'label', or nothing");
    return CLI_USAGE;
  }
  if (labels && args->refs) {
    cli_error("calibrate label: --refs is for the head of 'ground'; leave it out");
    return CLI_USAGE;
  }
  if (args->adapters.n > 1) {
    cli_error("calibrate: found %zu adapters, wanted at most one; merge them first (convert "
              "--adapter)",
              args->adapters.n);
    return CLI_USAGE;
  }
  if (args->output && !args->force && !export_may_replace(args->output, "a GGUF file", heads))
    return CLI_USAGE;
  return CLI_DONE;
}

/* gm_calibrate_params.note */
static void on_note(void *user, bool detail, const char *line) {
  calibrating *c = user;
  if (c->args->quiet || (detail && !c->args->verbose)) return;
  cli_progress_clear(&c->progress);
  cli_print(stderr, "%s\n", line);
}

/* gm_calibrate_params.row: with -v each phrase is a line of JSON. */
static void on_row(void *user, const gm_calibrate_row *row) {
  (void)user;
  json_t *signals = json_object();
  for (size_t i = 0; i < row->n_signals; i++)
    json_object_set_new(signals, row->names[i], out_json_number((double)row->signals[i]));
  json_t *line =
      json_pack("{s:o, s:s, s:s, s:b, s:o, s:b, s:o}", "image", out_json_text(row->picture),
                "phrase", row->phrase, "kind", row->kind, "all", row->all, "share",
                out_json_number((double)row->share), "right", row->right, "signals", signals);
  char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(8)) : NULL;
  if (text) cli_put_json(stdout, text);
  free(text);
  json_decref(line);
}

static double share(size_t part, size_t of) {
  return of ? (double)part / (double)of : 0;
}

static void print_report(const cli_args *args, const gm_calibrate_report *r) {
  if (args->json) {
    json_t *line = json_pack(
        "{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:o}", "there", (json_int_t)r->n_there,
        "nouns", (json_int_t)r->n_nouns, "hard", (json_int_t)r->n_hard, "auc",
        out_json_number(r->auc), "kept", out_json_number(share(r->kept, r->right)),
        "refused_nouns", out_json_number(share(r->refused_nouns, r->n_nouns)), "refused_hard",
        out_json_number(share(r->refused_hard, r->n_hard)), "answers", (json_int_t)r->n_answers,
        "ece", out_json_number(r->ece));
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(8)) : NULL;
    if (text) cli_put_json(stdout, text);
    free(text);
    json_decref(line);
    return;
  }
  printf("phrases            %zu there, %zu absent names, %zu hard ones\n", r->n_there,
         r->n_nouns, r->n_hard);
  printf("AUC                %.3f\n", r->auc);
  printf("right boxes kept   %.3f\n", share(r->kept, r->right));
  printf("names refused      %.3f\n", share(r->refused_nouns, r->n_nouns));
  printf("hard ones refused  %.3f\n", share(r->refused_hard, r->n_hard));
  printf("calibration error  %.3f of %zu answers\n", r->ece, r->n_answers);
}

static int run(calibrating *c) {
  const cli_args *args = c->args;
  gm_calibrate_params params = gm_calibrate_params_default();
  gm_calibrate_report report = {.struct_size = sizeof report};
  gm_error err = {0};
  params.model = args->model;
  params.adapter = args->adapters.n ? args->adapters.items[0] : NULL;
  params.clip = cli_head_clip(args);
  params.pictures = c->data.learned;
  params.n_pictures = c->data.n_learned;
  params.seed = args->seed;
  params.threads = (unsigned)args->threads;
  params.note = on_note;
  params.note_user = c;
  if (args->verbose) params.row = on_row;
  c->progress = cli_progress_begin(args->quiet);
  const gm_callbacks callbacks = cli_progress_callbacks(&c->progress);
  gm_status status = gm_calibrate(&params, args->output, &callbacks, &report, &err);
  cli_progress_clear(&c->progress);
  if (status != GM_OK) {
    cli_report_error(&err);
    return cli_model_exit_code(status);
  }
  print_report(args, &report);
  if (!args->quiet && !args->json) cli_print(stdout, "wrote %s\n", args->output);
  return CLI_DONE;
}

int cmd_calibrate(const cli_args *args) {
  calibrating c = {.args = args};
  int code = check_args(args);
  if (code != CLI_DONE) return code;
  cli_args all = *args;
  all.val = 0; /* all pictures are asked */
  cli_catch_interrupt();
  code = !tune_data_load(&c.data, &all) ? CLI_USAGE
         : cli_calibrates_labels(args)  ? cli_calibrate_labels(args, &c.data)
                                        : run(&c);
  tune_data_free(&c.data);
  return code;
}
