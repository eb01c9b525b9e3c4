/* cmd_classify.c - gromatic classify: which of the classes a picture shows. */
#include "batch.h"
#include "class_options.h"
#include "commands.h"
#include "proposals.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

typedef struct classify_job {
  cli_job job; /* first: the batch hands it back */
  gm_view_params view;
  gm_classify_params params;
  gm_classes *classes;
  gm_model *groma; /* of --proposals; else NULL */
} classify_job;

/* ---- what is shown ---- */

static json_t *label_json(const gm_label *label) {
  json_t *name = json_string(label->name);
  return json_pack("{s:o, s:o, s:o}", "label", name ? name : json_string(""), "score",
                   cli_json_number((double)label->score), "raw_score",
                   cli_json_number((double)label->raw_score));
}

/* For --draw: the whole picture is the thing. */
static void mark_best(cli_report *report, const gm_label *label) {
  char text[256];
  snprintf(text, sizeof text, "%.200s %.0f %%", label->name, 100 * (double)label->score);
  gm_box whole = {0, 0, (float)report->width, (float)report->height};
  cli_report_mark(report, whole, text, (int32_t)label->class_index);
}

static void report_labels(cli_report *report, const gm_classification *found) {
  json_t *results = json_array();
  for (size_t i = 0; i < found->n_labels; i++) {
    const gm_label *label = &found->labels[i];
    json_array_append_new(results, label_json(label));
    fprintf(report->text, "%6.2f %%  ", 100 * (double)label->score);
    cli_put_name(report->text, label->name);
    fputc('\n', report->text);
  }
  json_object_set_new(report->json, "results", results);
  if (found->n_labels) mark_best(report, &found->labels[0]);
  if (found->n_crops)
    json_object_set_new(report->json, "n_crops", json_integer((json_int_t)found->n_crops));
}

static json_t *explanation_json(const cli_report *report, const gm_label *label,
                                const gm_explanation *e) {
  json_t *crops = json_array(), *texts = json_array();
  for (size_t i = 0; i < e->n_crops; i++)
    json_array_append_new(crops, json_pack("{s:o, s:o, s:o}", "box",
                                           cli_json_box(report, e->crops[i].box), "weight",
                                           cli_json_number((double)e->crops[i].weight), "share",
                                           cli_json_number((double)e->crops[i].share)));
  for (size_t i = 0; i < e->n_texts; i++)
    json_array_append_new(texts,
                          json_pack("{s:s, s:o, s:o}", "text", e->texts[i].text, "weight",
                                    cli_json_number((double)e->texts[i].weight), "share",
                                    cli_json_number((double)e->texts[i].share)));
  return json_pack("{s:s, s:o, s:o, s:o}", "label", label->name, "raw_score",
                   cli_json_number((double)e->raw_score), "crops", crops, "descriptions",
                   texts);
}

static gm_status explain(const classify_job *j, gm_view *view, const gm_image *image,
                         const char *name, const gm_label *label, cli_report *report,
                         gm_error *err) {
  char path[4096];
  gm_explanation *e = NULL;
  gm_status status =
      gm_explain(view, j->classes, label->class_index, &j->params, &j->job.callbacks, &e, err);
  if (status == GM_OK) {
    json_object_set_new(report->json, "explanation", explanation_json(report, label, e));
    cli_picture_path(j->job.args->explain, j->job.explain_name, name, path, sizeof path);
    status = cli_drawing_may_replace(path, j->job.args->force, err);
    if (status == GM_OK) status = gm_draw_explanation(image, e, label, path, err);
  }
  gm_explanation_free(e);
  return status;
}

/* ---- one picture ---- */

static gm_status run(const cli_job *job, const gm_image *image, const char *name,
                     cli_report *report, gm_error *err) {
  const classify_job *j = (const classify_job *)job;
  gm_view_params params = j->view;
  gm_view *view = NULL;
  gm_classification *found = NULL;
  gm_box *boxes = NULL;
  gm_status status = GM_OK;
  double began = cli_now();
  if (j->groma)
    status = cli_propose(j->groma, image, &job->callbacks, &boxes, &params.n_boxes, err);
  if (status == GM_OK && j->groma) cli_report_stage(report, "proposals", began);
  params.boxes = boxes;
  began = cli_now();
  if (status == GM_OK) status = gm_view_create(&view, job->clip, image, &params, err);
  if (status == GM_OK)
    status = gm_classify(view, j->classes, &j->params, &job->callbacks, &found, err);
  if (status == GM_OK) {
    cli_report_stage(report, "crops", began);
    report_labels(report, found);
  }
  began = cli_now();
  if (status == GM_OK && job->args->explain) {
    status = explain(j, view, image, name, &found->labels[0], report, err);
    cli_report_stage(report, "explanation", began);
  }
  gm_classification_free(found);
  gm_view_free(view);
  free(boxes);
  return status;
}

/* ---- the command ---- */

static bool on_cancelled(void *user) {
  (void)user;
  return cli_interrupted();
}

/* All that changes a result besides pictures and CLIP, for results that are kept. */
static json_t *settings_of(const cli_args *args, gm_model *groma) {
  json_t *all = cli_class_settings(args);
  char sum[65] = "";
  gm_error err = {0};
  if (groma && args->output && gm_model_sha256(groma, sum, &err) != GM_OK) {
    cli_error("%s", err.message);
    json_decref(all);
    return NULL;
  }
  if (all) json_object_set_new(all, "--groma-model's SHA-256", json_string(sum));
  return all;
}

/* False after a message where --explain would replace another's file: seen before any work. */
static bool spares_file(const cli_args *args) {
  gm_error err = {0};
  if (cli_drawing_may_replace(args->explain, args->force, &err) == GM_OK) return true;
  cli_error("--explain %s", err.message);
  return false;
}

int cmd_classify(const cli_args *args) {
  classify_job j = {.job = {.args = args, .command = "classify", .run_image = run}};
  if (args->inputs.n == 0) {
    cli_error("classify: no picture given; try 'gromatic classify --help'");
    return CLI_USAGE;
  }
  cli_catch_interrupt();
  const gm_callbacks callbacks = {.cancelled = on_cancelled};
  const char *spec = args->model ? args->model : args->clip_model;
  gm_method method;
  if (!cli_method(args, &method) || !cli_view_params(args, method, false, &j.view))
    return CLI_USAGE;
  j.params = cli_classify_params(args);
  if (args->stop > 0 && method != GM_METHOD_WCA) {
    cli_error("--stop is for method wca, not for %s", gm_method_name(method));
    return CLI_USAGE;
  }
  j.params.top = (size_t)args->top;
  if (args->explain && !spares_file(args)) return CLI_USAGE;
  int code = cli_open_clip(args, spec, &j.job.clip);
  if (code == CLI_DONE)
    code = cli_make_classes(args, j.job.clip, method, NULL, 0, &callbacks, &j.classes);
  if (code == CLI_DONE && args->proposals) code = cli_open_proposer(args, &j.groma);
  json_t *settings = code == CLI_DONE ? settings_of(args, j.groma) : NULL;
  if (code == CLI_DONE && !settings) code = CLI_SOME_FAILED;
  if (code == CLI_DONE) {
    j.job.settings = settings;
    code = cli_run_batch(&j.job, &args->inputs);
  }
  json_decref(settings);
  cli_close_model(args, j.groma);
  gm_classes_free(j.classes);
  cli_close_clip(args, j.job.clip);
  return code;
}
