/* eval_label.c - see eval_label.h. */
#include "eval_label.h"

#include "average_precision.h"
#include "batch.h"
#include "box_overlap.h"
#include "class_options.h"
#include "dataset.h"
#include "eval_run.h"
#include "namer.h"
#include "results.h"
#include "room.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

#define ON_OBJECT 0.5
#define OFF_OBJECTS 0.3

typedef struct judged {
  double raw_score;
  bool right; /* else no class of the list is there */
  bool none;  /* what was decided */
} judged;

typedef struct evaluation {
  const cli_args *args;
  gm_model *model;
  dataset set;
  eval_run run;
  cli_namer namer;
  size_t *class_of; /* [set.n_categories]: the class of that name; namer.n_names: none */
  gm_callbacks callbacks;
  ap_box *found, *truth;
  size_t n_found, n_truth;
  size_t n_objects; /* true boxes without crowds */
  judged *judged;   /* [n_judged]: regions that clearly have a name, or clearly none */
  size_t n_judged;
  size_t on_object, named_right;
} evaluation;

static bool add_box(ap_box **boxes, size_t *n, ap_box box) {
  ap_box *grown = gm_room_for_one(*boxes, *n, sizeof *grown);
  if (!grown) return false;
  *boxes = grown;
  grown[(*n)++] = box;
  return true;
}

static bool add_judged(evaluation *e, const out_named *named, bool right) {
  judged *grown = gm_room_for_one(e->judged, e->n_judged, sizeof *grown);
  if (!grown) return false;
  e->judged = grown;
  grown[e->n_judged++] = (judged){(double)named->best.raw_score, right, named->none};
  return true;
}

static bool add_true_boxes(evaluation *e, size_t picture, const data_object *objects, size_t n,
                           bool crowd) {
  for (size_t i = 0; i < n; i++) {
    size_t class_index = e->class_of[objects[i].category];
    if (class_index == e->namer.n_names) continue;
    const ap_box box = {picture, class_index, objects[i].box, 0, crowd};
    if (!add_box(&e->truth, &e->n_truth, box)) return false;
    e->n_objects += !crowd;
  }
  return true;
}

static bool add_truth(evaluation *e, size_t picture, const data_picture *p) {
  return add_true_boxes(e, picture, p->objects, p->n_objects, false) &&
         add_true_boxes(e, picture, p->crowds, p->n_crowds, true);
}

static bool in_a_crowd(const data_picture *p, gm_box box) {
  for (size_t i = 0; i < p->n_crowds; i++)
    if (out_box_share_inside(box, p->crowds[i].box) >= OFF_OBJECTS) return true;
  return false;
}

static bool judge(evaluation *e, const data_picture *p, const gm_region *region,
                  const out_named *named) {
  const data_object *object = NULL;
  double most = 0;
  for (size_t i = 0; i < p->n_objects; i++) {
    double overlap = out_box_iou(region->box, p->objects[i].box);
    if (overlap <= most) continue;
    most = overlap;
    object = &p->objects[i];
  }
  bool on = most > ON_OBJECT;
  bool known = on && e->class_of[object->category] < e->namer.n_names;
  bool right = on && e->class_of[object->category] == named->best.class_index;
  e->on_object += known;
  e->named_right += right && !named->none;
  bool nothing = on ? !known : most < OFF_OBJECTS && !in_a_crowd(p, region->box);
  return right || nothing ? add_judged(e, named, right) : true;
}

static gm_status name_picture(evaluation *e, size_t picture, const gm_scene *scene,
                              const gm_image *image, gm_error *err) {
  const data_picture *p = &e->set.pictures[picture];
  size_t n;
  gm_region *regions = out_scene_regions(scene, &n);
  out_named *named = NULL;
  gm_status status = regions ? GM_OK : (err->status = GM_ERR_MEMORY);
  if (status == GM_OK)
    status = out_name_regions(&e->namer.naming, image, regions, n, &e->callbacks, &named, err);
  if (status != GM_OK) {
    free(regions);
    return status;
  }
  bool *merged = calloc(n + 1, sizeof *merged);
  bool ok = merged && add_truth(e, picture, p) &&
            out_naming_merge(&e->namer.naming, regions, named, n, merged);
  for (size_t i = 0; ok && i < n; i++) {
    ok = judge(e, p, &regions[i], &named[i]);
    if (!ok || merged[i] || named[i].none) continue;
    const ap_box box = {picture, named[i].best.class_index, regions[i].box,
                        out_naming_score(&regions[i], &named[i].best), false};
    ok = add_box(&e->found, &e->n_found, box);
  }
  free(merged);
  free(named);
  free(regions);
  return ok ? GM_OK : (err->status = GM_ERR_MEMORY);
}

static gm_status run_picture(evaluation *e, size_t picture, gm_error *err) {
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_image_params image_params = cli_image_params(e->args);
  gm_scene_params params = gm_scene_params_default();
  if (e->args->conf >= 0) params.box_score_thres = (float)e->args->conf;
  if (e->args->iou >= 0) params.nms_thres = (float)e->args->iou;
  if (e->args->max_det) params.max_regions = (uint32_t)e->args->max_det;
  gm_status status = gm_image_open(&image, e->set.pictures[picture].path, &image_params, err);
  if (status == GM_OK)
    status = gm_scene_create(&scene, e->model, image, &params, &e->callbacks, err);
  if (status == GM_OK) status = name_picture(e, picture, scene, image, err);
  gm_scene_free(scene);
  gm_image_free(image);
  return status;
}

/* ---- the best limit ---- */

static int by_raw_score(const void *a, const void *b) {
  double x = ((const judged *)a)->raw_score, y = ((const judged *)b)->raw_score;
  return (x > y) - (x < y);
}

/* Of what was decided: the shares of rightly named regions that keep their name, and of regions
 * without a class that get none. Returns their mean, 0 if either kind is absent. */
static double decided(const evaluation *e, double *share_kept, double *share_refused) {
  size_t named = 0, kept = 0, refused = 0;
  for (size_t i = 0; i < e->n_judged; i++) {
    const judged *j = &e->judged[i];
    named += j->right;
    kept += j->right && !j->none;
    refused += !j->right && j->none;
  }
  size_t others = e->n_judged - named;
  *share_kept = named ? (double)kept / (double)named : 0;
  *share_refused = others ? (double)refused / (double)others : 0;
  return named && others ? (*share_kept + *share_refused) / 2 : 0;
}

/* The limit, half-way between two scores, with the highest rate_at. */
static double best_limit(evaluation *e, double *limit) {
  size_t named = 0, others, below_named = 0, below_others = 0;
  double best = 0;
  for (size_t i = 0; i < e->n_judged; i++) named += e->judged[i].right;
  others = e->n_judged - named;
  *limit = -1;
  if (!named || !others) return 0;
  qsort(e->judged, e->n_judged, sizeof *e->judged, by_raw_score);
  for (size_t i = 0; i + 1 < e->n_judged; i++) {
    below_named += e->judged[i].right;
    below_others += !e->judged[i].right;
    double rate =
        (1 - (double)below_named / (double)named + (double)below_others / (double)others) / 2;
    if (rate <= best) continue;
    best = rate;
    *limit = (e->judged[i].raw_score + e->judged[i + 1].raw_score) / 2;
  }
  return best;
}

/* ---- the run ---- */

static void print_result(evaluation *e, double seconds) {
  double limit, rate = best_limit(e, &limit), kept, refused;
  double own = decided(e, &kept, &refused);
  bool calibrated = out_clip_info(e->namer.naming.clip).calibrated;
  double ap = cli_average_precision(e->found, e->n_found, e->truth, e->n_truth,
                                    e->namer.n_names, ON_OBJECT);
  double accuracy = e->on_object ? (double)e->named_right / (double)e->on_object : 0;
  if (!e->args->json) {
    printf(
        "label      ap50 %.4f (%zu)  accuracy %.4f (%zu)  kept %.4f  refused %.4f  best_none "
        "%.3f (%.4f)  %.1f s\n",
        ap, e->n_objects, accuracy, e->on_object, kept, refused, limit, rate, seconds);
    return;
  }
  json_t *line =
      json_pack("{s:s, s:s, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o}",
                "set", e->args->coco, "method", "label", "n", (json_int_t)e->n_objects, "ap50",
                out_json_number(ap), "accuracy", out_json_number(accuracy), "n_accuracy",
                (json_int_t)e->on_object, "none",
                e->args->none >= -1 ? out_json_number(e->args->none) : json_null(), "none_rate",
                out_json_number(own), "kept", out_json_number(kept), "refused",
                out_json_number(refused), "calibrated", calibrated, "best_none",
                out_json_number(limit), "best_none_rate", out_json_number(rate), "seconds",
                out_json_number(seconds), "skipped", eval_run_skipped(&e->run));
  char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(10));
  if (text) cli_put_json(stdout, text);
  free(text);
  json_decref(line);
}

static int run_set(evaluation *e) {
  for (size_t i = 0; i < e->set.n_pictures; i++) {
    gm_error err = {0};
    eval_run_at(&e->run, "label", i);
    gm_status status = run_picture(e, i, &err);
    if (status != GM_OK && !eval_run_fail(&e->run, e->set.pictures[i].path, status, &err))
      return CLI_INTERRUPTED;
  }
  cli_progress_clear(&e->run.progress);
  if (e->run.n_failed < e->set.n_pictures) print_result(e, cli_now() - e->run.began);
  return CLI_DONE;
}

/* Takes the categories' names, unless the user gives classes. */
static int open_naming(evaluation *e) {
  size_t n = e->set.n_categories;
  const char **names = calloc(n + 1, sizeof *names);
  e->class_of = calloc(n + 1, sizeof *e->class_of);
  if (!names || !e->class_of) {
    free(names);
    return CLI_SOME_FAILED;
  }
  for (size_t i = 0; i < n; i++) names[i] = e->set.categories[i].name;
  int code = cli_namer_open(&e->namer, e->args, names, e->args->classes ? 0 : n, &e->callbacks);
  for (size_t i = 0; code == CLI_DONE && i < n; i++) {
    size_t k = 0;
    while (k < e->namer.n_names && gm_name_compare(e->namer.names[k], names[i]) != 0) k++;
    e->class_of[i] = k;
  }
  free(names);
  return code;
}

int cli_eval_label(const cli_args *args) {
  if (!args->coco || args->inputs.n != 1) {
    cli_error("eval label: wanted --coco FILE, true boxes in COCO's format, and no other task");
    return CLI_USAGE;
  }
  cli_catch_interrupt();
  evaluation e = {.args = args, .callbacks = cli_callbacks()};
  if (!dataset_load(&e.set, args->coco, NULL, args->images, (size_t)args->limit, false))
    return CLI_USAGE;
  int code = open_naming(&e);
  if (code == CLI_DONE) code = cli_open_model(args, 0, true, &e.model);
  if (code == CLI_DONE) {
    e.run = eval_run_begin(args, e.set.n_pictures, e.set.n_objects, dataset_left_out(&e.set));
    code = eval_run_end(&e.run, run_set(&e));
  }
  cli_close_model(args, e.model);
  cli_namer_close(&e.namer, args);
  dataset_free(&e.set);
  free(e.found);
  free(e.truth);
  free(e.judged);
  free(e.class_of);
  return code;
}
