/* calibrate_labels.c - see calibrate_labels.h. */
#include "calibrate_labels.h"

#include "answer_json.h"
#include "class_options.h"
#include "progress.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

typedef struct calibrating {
  const cli_args *args;
  cli_progress progress;
} calibrating;

bool cli_calibrates_labels(const cli_args *args) {
  return args->inputs.n == 1 && strcmp(args->inputs.items[0], "label") == 0;
}

/* gm_calibrate_labels_params.note */
static void on_note(void *user, bool detail, const char *line) {
  calibrating *c = user;
  if (c->args->quiet || (detail && !c->args->verbose)) return;
  cli_progress_clear(&c->progress);
  cli_print(stderr, "%s\n", line);
}

static void put_line(json_t *line) {
  char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(8)) : NULL;
  if (text) cli_put_json(stdout, text);
  free(text);
  json_decref(line);
}

/* gm_calibrate_labels_params.row: with -v each region and list is a line of JSON. */
static void on_row(void *user, const gm_calibrate_label_row *row) {
  (void)user;
  json_t *signals = json_object();
  for (size_t i = 0; i < row->n_signals; i++)
    json_object_set_new(signals, row->names[i], out_json_number((double)row->signals[i]));
  put_line(json_pack("{s:o, s:[f,f,f,f], s:s, s:s, s:I, s:o}", "image",
                     out_json_text(row->picture), "box", (double)row->box.x1,
                     (double)row->box.y1, (double)row->box.x2, (double)row->box.y2, "label",
                     row->label, "kind", row->kind, "classes", (json_int_t)row->n_classes,
                     "signals", signals));
}

static double share(size_t part, size_t of) {
  return of ? (double)part / (double)of : 0;
}

static void print_report(const cli_args *args, const gm_calibrate_labels_report *r) {
  if (args->json) {
    put_line(json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "right",
                       (json_int_t)r->n_right, "nothing", (json_int_t)r->n_nothing, "kept",
                       out_json_number(share(r->kept, r->n_right)), "refused",
                       out_json_number(share(r->refused, r->n_nothing)), "kept_all",
                       out_json_number(share(r->kept_all, r->n_right_all)), "refused_all",
                       out_json_number(share(r->refused_all, r->n_nothing_all)), "auc",
                       out_json_number(r->auc), "ece", out_json_number(r->ece)));
    return;
  }
  printf(
      "regions            %zu with the right name, %zu on nothing, in lists of all lengths\n",
      r->n_right, r->n_nothing);
  printf("AUC                %.3f\n", r->auc);
  printf("right names kept   %.3f, with all names %.3f\n", share(r->kept, r->n_right),
         share(r->kept_all, r->n_right_all));
  printf("nothing refused    %.3f, with all names %.3f\n", share(r->refused, r->n_nothing),
         share(r->refused_all, r->n_nothing_all));
  printf("calibration error  %.3f\n", r->ece);
}

int cli_calibrate_labels(const cli_args *args, const tune_data *data) {
  calibrating c = {.args = args};
  gm_calibrate_labels_params params = gm_calibrate_labels_params_default();
  gm_calibrate_labels_report report = {.struct_size = sizeof report};
  gm_error err = {0};
  params.model = args->model;
  params.clip = args->clip_model;
  params.adapter = args->adapters.n ? args->adapters.items[0] : NULL;
  params.pictures = data->learned;
  params.n_pictures = data->n_learned;
  params.seed = args->seed;
  params.threads = (unsigned)args->threads;
  params.note = on_note;
  params.note_user = &c;
  if (args->verbose) params.row = on_row;
  c.progress = cli_progress_begin(args->quiet);
  const gm_callbacks callbacks = cli_progress_callbacks(&c.progress);
  gm_status status = gm_calibrate_labels(&params, args->output, &callbacks, &report, &err);
  cli_progress_clear(&c.progress);
  if (status != GM_OK) {
    cli_report_error(&err);
    return cli_model_exit_code(status);
  }
  print_report(args, &report);
  if (!args->quiet && !args->json) cli_print(stdout, "wrote %s\n", args->output);
  return CLI_DONE;
}
