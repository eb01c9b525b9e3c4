/* cmd_eval.c - gromatic eval: measures a model on annotated pictures. The tasks and their
 * measures:
 *
 *   detect    share of objects with a region at IoU > 0.5; share of regions with an object
 *   ground    share of expressions whose box is right at IoU > 0.5: the first region of a free
 *             greedy answer; the region with the highest score under constraint
 *   describe  share of true boxes whose answer is the category's name with its article
 *   caption   F1 of the phrases against the objects' names, mean over pictures
 *
 * With -v each answer is a line of JSON before its task's result. */
#include "batch.h"
#include "box_overlap.h"
#include "commands.h"
#include "dataset.h"
#include "eval_benchmark.h"
#include "eval_classify.h"
#include "eval_label.h"
#include "eval_run.h"
#include "progress.h"
#include "results.h"
#include "terminal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_TOKENS = 12, CAPTION_TOKENS = 120 }; /* also of a free ground answer */

typedef struct tally {
  double sum;
  size_t n;
} tally;

typedef struct evaluation {
  const cli_args *args;
  gm_model *model;
  dataset set;
  eval_run run;
  tally a, b; /* the task's two measures */
  gm_callbacks callbacks;
} evaluation;

typedef gm_status task_fn(evaluation *e, gm_scene *scene, const data_picture *p, gm_error *err);

/* Compares without case and outer white space. */
static bool same_words(const char *a, const char *b) {
  while (isspace((unsigned char)*a)) a++;
  while (isspace((unsigned char)*b)) b++;
  for (; *a && *b; a++, b++)
    if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) break;
  while (isspace((unsigned char)*a)) a++;
  while (isspace((unsigned char)*b)) b++;
  return !*a && !*b;
}

static void name_of(const evaluation *e, const data_object *object, char *out, size_t size) {
  const data_category *c = &e->set.categories[object->category];
  snprintf(out, size, "%s%s%s", c->article, c->article[0] ? " " : "", c->name);
}

/* Measured with the model's own boxes, as in the reference: some reach beyond the picture a
 * little. */
static double iou_of(const gm_scene *scene, const gm_region *region, gm_box truth) {
  gm_box box = {0};
  gm_scene_region_unclipped(scene, region->index, &box);
  return cli_box_iou(box, truth);
}

/* With -v prints the answer as a line of JSON. Takes over the reference to item. */
static void tell(const char *method, const data_picture *p, json_t *item, bool right) {
  if (!item) return;
  json_object_set_new(item, "method", json_string(method));
  json_object_set_new(item, "image", json_string(p->path));
  json_object_set_new(item, "right", json_boolean(right));
  char *line = json_dumps(item, JSON_COMPACT | JSON_REAL_PRECISION(10));
  if (line) cli_put_json(stdout, line);
  free(line);
  json_decref(item);
}

static gm_status detect(evaluation *e, gm_scene *scene, const data_picture *p, gm_error *err) {
  size_t n;
  gm_region *regions = cli_scene_regions(scene, &n);
  if (!regions) return err->status = GM_ERR_MEMORY;
  for (size_t i = 0; i < p->n_objects; i++) {
    bool found = false;
    for (size_t k = 0; k < n; k++) found |= iou_of(scene, &regions[k], p->objects[i].box) > 0.5;
    e->a.sum += found;
    e->a.n++;
  }
  for (size_t k = 0; k < n; k++) {
    bool right = false;
    for (size_t i = 0; i < p->n_objects; i++)
      right |= iou_of(scene, &regions[k], p->objects[i].box) > 0.5;
    e->b.sum += right;
    e->b.n++;
  }
  free(regions);
  return GM_OK;
}

static void tell_choice(evaluation *e, const char *method, const gm_scene *scene,
                        const data_picture *p, const data_expression *x,
                        const gm_ground_result *found, tally *t) {
  gm_box box = {0};
  if (found->n_regions)
    gm_scene_region_unclipped(scene, cli_ground_region(found, 0).index, &box);
  bool right = found->n_regions && cli_box_iou(box, x->box) > 0.5;
  t->sum += right;
  t->n++;
  if (!e->args->verbose) return;
  json_t *item = json_pack("{s:s, s:s, s:[f, f, f, f]}", "asked", x->text, "raw",
                           found->raw ? found->raw : "", "box", (double)box.x1, (double)box.y1,
                           (double)box.x2, (double)box.y2);
  if (found->raw) json_object_set_new(item, "margin", cli_json_number((double)found->margin));
  tell(method, p, item, right);
}

static gm_status ground_with(evaluation *e, const char *method, gm_scene *scene,
                             const data_picture *p, const gm_ground_params *params, tally *t,
                             gm_error *err) {
  size_t n = p->n_expressions;
  const char **phrases = calloc(n, sizeof *phrases);
  gm_ground_result **found = calloc(n, sizeof *found);
  gm_status status = phrases && found ? GM_OK : GM_ERR_MEMORY;
  for (size_t i = 0; status == GM_OK && i < n; i++) phrases[i] = p->expressions[i].text;
  if (status == GM_OK) status = gm_ground(scene, phrases, n, params, &e->callbacks, found, err);
  for (size_t i = 0; status == GM_OK && i < n; i++)
    tell_choice(e, method, scene, p, &p->expressions[i], found[i], t);
  for (size_t i = 0; found && i < n; i++) gm_ground_result_free(found[i]);
  free(found);
  free(phrases);
  return status;
}

static gm_status ground(evaluation *e, gm_scene *scene, const data_picture *p, gm_error *err) {
  if (p->n_expressions == 0) return GM_OK;
  gm_ground_params params = gm_ground_params_default();
  gm_status status = ground_with(e, "ground", scene, p, &params, &e->b, err);
  if (status != GM_OK) return status;
  params.free = true;
  return ground_with(e, "ground_free", scene, p, &params, &e->a, err);
}

static gm_status describe(evaluation *e, gm_scene *scene, const data_picture *p,
                          gm_error *err) {
  size_t n = p->n_objects;
  if (n == 0) return GM_OK;
  gm_box *boxes = calloc(n, sizeof *boxes);
  gm_answer **answers = calloc(n, sizeof *answers);
  gm_status status = boxes && answers ? GM_OK : GM_ERR_MEMORY;
  for (size_t i = 0; status == GM_OK && i < n; i++) boxes[i] = p->objects[i].box;
  gm_ask_params params = gm_ask_params_default();
  params.max_tokens = ANSWER_TOKENS;
  if (status == GM_OK)
    status = gm_describe(scene, boxes, n, false, &params, &e->callbacks, answers, err);
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    char name[300];
    name_of(e, &p->objects[i], name, sizeof name);
    bool right = same_words(answers[i]->text, name);
    e->a.sum += right;
    e->a.n++;
    if (e->args->verbose)
      tell("describe", p, json_pack("{s:s, s:s}", "asked", name, "raw", answers[i]->raw),
           right);
  }
  for (size_t i = 0; answers && i < n; i++) gm_answer_free(answers[i]);
  free(answers);
  free(boxes);
  return status;
}

static gm_status caption(evaluation *e, gm_scene *scene, const data_picture *p, gm_error *err) {
  gm_ask_params params = gm_ask_params_default();
  params.max_tokens = CAPTION_TOKENS;
  gm_answer *answer = NULL;
  gm_status status = gm_caption(scene, &params, &e->callbacks, &answer, err);
  if (status != GM_OK) {
    gm_answer_free(answer);
    return status;
  }
  bool *used = calloc(p->n_objects + 1, sizeof *used);
  size_t common = 0;
  for (size_t i = 0; used && i < answer->n_groundings; i++)
    for (size_t k = 0; k < p->n_objects; k++) {
      char name[300];
      name_of(e, &p->objects[k], name, sizeof name);
      if (used[k] || !same_words(cli_grounding(answer, i).phrase, name)) continue;
      used[k] = true;
      common++;
      break;
    }
  free(used);
  size_t both = answer->n_groundings + p->n_objects;
  double f1 = both ? 2.0 * (double)common / (double)both : 1;
  e->a.sum += f1;
  e->a.n++;
  if (e->args->verbose)
    tell("caption", p,
         json_pack("{s:s, s:s, s:f}", "text", answer->text, "raw", answer->raw, "f1", f1),
         common == p->n_objects && both == 2 * common);
  gm_answer_free(answer);
  return GM_OK;
}

static const struct {
  const char *name;
  task_fn *run;
  const char *measure_a, *measure_b; /* b may be NULL */
  bool needs_refs;
} tasks[] = {{"detect", detect, "recall", "precision", false},
             {"ground", ground, "accuracy_free", "accuracy_constrained", true},
             {"describe", describe, "exact", NULL, false},
             {"caption", caption, "f1", NULL, false}};

static gm_status run_picture(evaluation *e, const data_picture *p, task_fn *run,
                             gm_error *err) {
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_image_params image_params = cli_image_params(e->args);
  gm_scene_params params = cli_scene_params(e->args);
  gm_status status = gm_image_open(&image, p->path, &image_params, err);
  if (status == GM_OK)
    status = gm_scene_create(&scene, e->model, image, &params, &e->callbacks, err);
  if (status == GM_OK) status = run(e, scene, p, err);
  gm_scene_free(scene);
  gm_image_free(image);
  return status;
}

static void print_result(const evaluation *e, size_t task, double seconds) {
  double a = e->a.n ? e->a.sum / (double)e->a.n : 0, b = e->b.n ? e->b.sum / (double)e->b.n : 0;
  if (e->args->json) {
    json_t *line = json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "set", e->args->coco, "method",
                             tasks[task].name, "n", (json_int_t)e->a.n, tasks[task].measure_a,
                             cli_json_number(a), "seconds", cli_json_number(seconds), "skipped",
                             eval_run_skipped(&e->run));
    if (tasks[task].measure_b)
      json_object_set_new(line, tasks[task].measure_b, cli_json_number(b));
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(10));
    if (text) cli_put_json(stdout, text);
    free(text);
    json_decref(line);
    return;
  }
  printf("%-10s %s %.4f (%zu)", tasks[task].name, tasks[task].measure_a, a, e->a.n);
  if (tasks[task].measure_b) printf("  %s %.4f (%zu)", tasks[task].measure_b, b, e->b.n);
  printf("  %.1f s\n", seconds);
}

static int run_task(evaluation *e, size_t task) {
  double began = cli_now();
  e->a = e->b = (tally){0};
  for (size_t i = 0; i < e->set.n_pictures; i++) {
    data_picture *p = &e->set.pictures[i];
    gm_error err = {0};
    if (p->failed) continue; /* in an earlier task */
    eval_run_at(&e->run, tasks[task].name, i);
    gm_status status = run_picture(e, p, tasks[task].run, &err);
    p->failed = status != GM_OK;
    if (p->failed && !eval_run_fail(&e->run, p->path, status, &err)) return CLI_INTERRUPTED;
  }
  cli_progress_clear(&e->run.progress);
  if (e->run.n_failed < e->set.n_pictures) print_result(e, task, cli_now() - began);
  return CLI_DONE;
}

int cmd_eval(const cli_args *args) {
  enum { N_TASKS = sizeof tasks / sizeof tasks[0] };
  bool wanted[N_TASKS] = {false};
  if (args->inputs.n > 0 && strcmp(args->inputs.items[0], "label") == 0)
    return cli_eval_label(args);
  if (args->inputs.n == 2 && strcmp(args->inputs.items[0], "classify") == 0)
    return cli_eval_classify(args, args->inputs.items[1]);
  if (args->inputs.n > 0 && cli_is_benchmark(args->inputs.items[0]))
    return cli_eval_benchmark(args);
  if (args->inputs.n == 0 || !args->coco) {
    cli_error(
        "eval: wanted tasks (detect, ground, describe, caption), or label, and --coco FILE, or "
        "classify and FOLDER or FILE.csv");
    return CLI_USAGE;
  }
  for (size_t i = 0; i < args->inputs.n; i++) {
    size_t k = 0;
    while (k < N_TASKS && strcmp(tasks[k].name, args->inputs.items[i]) != 0) k++;
    if (k == N_TASKS || (tasks[k].needs_refs && !args->refs)) {
      cli_error(k == N_TASKS
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
  evaluation e = {.args = args, .callbacks = cli_callbacks()};
  if (!dataset_load(&e.set, args->coco, args->refs, args->images, (size_t)args->limit))
    return CLI_USAGE;
  int code = cli_open_model(args, 0, false, &e.model);
  e.run = eval_run_begin(args, e.set.n_pictures, e.set.n_objects, dataset_left_out(&e.set));
  bool opened = code == CLI_DONE;
  for (size_t k = 0; code == CLI_DONE && k < N_TASKS; k++)
    if (wanted[k]) code = run_task(&e, k);
  if (opened) code = eval_run_end(&e.run, code);
  cli_close_model(args, e.model);
  dataset_free(&e.set);
  return code;
}
