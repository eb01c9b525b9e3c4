/* cmd_classify.c - gromatic classify: which of the classes a picture shows. */
#include "batch.h"
#include "class_options.h"
#include "commands.h"
#include "gromatic_tools.h"
#include "proposals.h"
#include "results.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

typedef struct classify_job {
  cli_job job; /* first member: the batch passes it to run */
  gm_view_params view;
  gm_classify_params params;
  gm_classes *classes;
  size_t against;  /* class of --against, or NOT_GIVEN */
  gm_model *groma; /* of --proposals; else NULL */
} classify_job;

#define NOT_GIVEN SIZE_MAX

/* ---- output ---- */

/* For --draw: the label belongs to the whole picture. */
static void mark_best(cli_report *report, const gm_label *label) {
  char text[256];
  snprintf(text, sizeof text, "%.200s %.0f %%", label->name, 100 * (double)label->score);
  gm_box whole = {0, 0, (float)report->frame.width, (float)report->frame.height};
  cli_report_mark(report, whole, text, (int32_t)label->class_index);
}

/* top 0: all. */
static void report_labels(cli_report *report, const gm_classification *found, size_t top) {
  json_t *results = json_array();
  for (size_t i = 0; i < found->n_labels && (top == 0 || i < top); i++) {
    const gm_label label = out_label(found, i);
    json_array_append_new(results, out_json_label(&label));
    fprintf(report->text, "%6.2f %%  ", 100 * (double)label.score);
    cli_put_name(report->text, label.name);
    fputc('\n', report->text);
    if (i == 0) mark_best(report, &label);
  }
  json_object_set_new(report->json, "results", results);
  if (found->n_crops)
    json_object_set_new(report->json, "n_crops", json_integer((json_int_t)found->n_crops));
}

typedef gm_status text_share_at(const gm_explanation *e, size_t i, gm_text_share *out);

static json_t *texts_json(const gm_explanation *e, text_share_at *at, size_t n) {
  json_t *all = json_array();
  for (size_t i = 0; i < n; i++) {
    gm_text_share t = {.struct_size = sizeof t};
    at(e, i, &t);
    json_t *one =
        json_pack("{s:s, s:o, s:o}", "text", t.text, "weight",
                  out_json_number((double)t.weight), "share", out_json_number((double)t.share));
    if (e->against) json_object_set_new(one, "lead_share", out_json_number((double)t.lead));
    json_array_append_new(all, one);
  }
  return all;
}

static json_t *explanation_json(const cli_report *report, const gm_label *label,
                                const gm_explanation *e) {
  json_t *crops = json_array();
  for (size_t i = 0; i < e->n_crops; i++) {
    gm_crop_share c = {.struct_size = sizeof c};
    gm_crop_share_at(e, i, &c);
    json_t *crop =
        json_pack("{s:o, s:o, s:o}", "box", out_json_box(&report->frame, c.box), "weight",
                  out_json_number((double)c.weight), "share", out_json_number((double)c.share));
    if (e->against) json_object_set_new(crop, "lead_share", out_json_number((double)c.lead));
    json_array_append_new(crops, crop);
  }
  json_t *all = json_pack("{s:s, s:o, s:o, s:o}", "label", label->name, "raw_score",
                          out_json_number((double)e->raw_score), "crops", crops, "descriptions",
                          texts_json(e, gm_text_share_at, e->n_texts));
  if (!e->against) return all;
  json_object_set_new(all, "against", json_string(e->against));
  json_object_set_new(all, "against_raw_score", out_json_number((double)e->against_raw_score));
  json_object_set_new(all, "lead", out_json_number((double)e->lead));
  json_object_set_new(all, "against_descriptions",
                      texts_json(e, gm_against_text_share_at, e->n_against_texts));
  return all;
}

/* Explains the best label against --against, or against the runner-up if --against is not given
 * or is the best label. If there is only one class, explains its score alone. */
static gm_status explain_best(const classify_job *j, gm_view *view,
                              const gm_classification *found, gm_explanation **out,
                              gm_error *err) {
  const gm_callbacks *callbacks = &j->job.callbacks;
  size_t best = out_label(found, 0).class_index, other = j->against;
  if (gm_classes_count(j->classes) < 2)
    return gm_explain(view, j->classes, best, &j->params, callbacks, out, err);
  if (other == NOT_GIVEN || other == best) other = out_label(found, 1).class_index;
  return gm_explain_against(view, j->classes, best, other, &j->params, callbacks, out, err);
}

static gm_status explain(const classify_job *j, gm_view *view, const gm_image *image,
                         const char *name, const gm_classification *found, cli_report *report,
                         gm_error *err) {
  char path[4096];
  const gm_label label = out_label(found, 0);
  gm_explanation *e = NULL;
  gm_status status = explain_best(j, view, found, &e, err);
  if (status == GM_OK) {
    json_object_set_new(report->json, "explanation", explanation_json(report, &label, e));
    cli_picture_path(j->job.args->explain, j->job.explain_name, name, path, sizeof path);
    status = cli_drawing_may_replace(path, j->job.args->force, err);
    gm_draw_params params = gm_draw_params_default();
    params.explanation = e;
    params.label = &label;
    if (status == GM_OK) status = gm_draw(image, &params, path, err);
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
    report_labels(report, found, j->job.args->top);
  }
  began = cli_now();
  if (status == GM_OK && job->args->explain) {
    status = explain(j, view, image, name, found, report, err);
    cli_report_stage(report, "explanation", began);
  }
  gm_classification_free(found);
  gm_view_free(view);
  free(boxes);
  return status;
}

/* ---- the command ---- */

/* Settings that change the result and that the options alone do not tell. */
static json_t *settings_of(const cli_args *args, gm_model *groma) {
  json_t *all = cli_class_settings(args);
  /* The lines have an explanation, wherever the drawing goes. */
  if (all) json_object_set_new(all, "--explain", args->explain ? json_true() : json_null());
  char sum[65] = "";
  gm_error err = {0};
  const gm_callbacks callbacks = cli_callbacks();
  if (groma && args->output && gm_model_sha256(groma, sum, &callbacks, &err) != GM_OK) {
    cli_report_error(&err);
    json_decref(all);
    return NULL;
  }
  if (all) json_object_set_new(all, "--groma-model's SHA-256", json_string(sum));
  return all;
}

/* False, after a message, if --explain would replace another program's file. Checked before any
 * work. */
static bool spares_file(const cli_args *args) {
  gm_error err = {0};
  if (cli_drawing_may_replace(args->explain, args->force, &err) == GM_OK) return true;
  cli_error("--explain %s", err.message);
  return false;
}

/* False after a message. */
static bool check_options(const cli_args *args, classify_job *j, gm_method *method) {
  if (args->inputs.n == 0) {
    cli_error("classify: no picture given; try 'gromatic classify --help'");
    return false;
  }
  if (!cli_method(args, method) || !cli_view_params(args, *method, false, &j->view))
    return false;
  if (args->stop > 0 && *method != GM_METHOD_WCA) {
    cli_error("--stop is for method wca, not for %s", gm_method_name(*method));
    return false;
  }
  if (args->against && !args->explain) {
    cli_error("--against CLASS: found no --explain OUT.png, whose picture it is for");
    return false;
  }
  j->params = cli_classify_params(args);
  /* an explanation needs the runner-up */
  j->params.top = args->explain && args->top == 1 ? 2 : (size_t)args->top;
  return !args->explain || spares_file(args);
}

/* Finds the class of --against. Returns an exit code, after a message if it is not CLI_DONE. */
static int find_against(const char *name, const gm_classes *classes, size_t *out) {
  size_t n = gm_classes_count(classes);
  *out = NOT_GIVEN;
  if (!name) return CLI_DONE;
  for (size_t i = 0; i < n && *out == NOT_GIVEN; i++)
    if (gm_name_compare(name, gm_classes_name(classes, i)) == 0) *out = i;
  if (*out == NOT_GIVEN) {
    cli_error("--against %s: found no such class, wanted one of the %zu to choose from, as %s",
              name, n, gm_classes_name(classes, 0));
  } else if (n < 2) {
    cli_error("--against %s: found one class to choose from, wanted two or more", name);
  } else {
    return CLI_DONE;
  }
  return CLI_USAGE;
}

int cmd_classify(const cli_args *args) {
  classify_job j = {.job = {.args = args, .command = "classify", .run_image = run}};
  gm_method method;
  if (!check_options(args, &j, &method)) return CLI_USAGE;
  cli_catch_interrupt();
  const gm_callbacks callbacks = cli_callbacks();
  const char *spec = args->model ? args->model : args->clip_model;
  int code = cli_open_clip(args, spec, args->proposals, &j.job.clip);
  if (code == CLI_DONE)
    code = cli_make_classes(args, j.job.clip, method, NULL, 0, &callbacks, &j.classes);
  if (code == CLI_DONE) code = find_against(args->against, j.classes, &j.against);
  if (code == CLI_DONE && args->proposals) code = cli_open_proposer(args, &j.groma);
  json_t *settings = code == CLI_DONE ? settings_of(args, j.groma) : NULL;
  if (code == CLI_DONE && !settings)
    code = cli_interrupted() ? CLI_INTERRUPTED : CLI_SOME_FAILED;
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
