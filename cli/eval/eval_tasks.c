/* eval_tasks.c - see eval_tasks.h. */
#include "eval_tasks.h"

#include "box_overlap.h"
#include "params.h"
#include "report.h"
#include "results.h"
#include "terminal.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_TOKENS = 12, CAPTION_TOKENS = 120 }; /* also of a free ground answer */

void eval_count(eval_tally *tally, double value) {
  tally->sum += value;
  tally->squares += value * value;
  tally->n++;
}

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

static void name_of(const eval_subject *e, const data_object *object, char *out, size_t size) {
  const data_category *c = &e->set->categories[object->category];
  snprintf(out, size, "%s%s%s", c->article, c->article[0] ? " " : "", c->name);
}

/* Measured with the model's own boxes, as in the reference: some reach beyond the picture a
 * little. */
static double iou_of(const gm_scene *scene, const gm_region *region, gm_box truth) {
  gm_box box = {0};
  gm_scene_region_unclipped(scene, region->index, &box);
  return out_box_iou(box, truth);
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

static gm_status detect(eval_subject *e, gm_scene *scene, const data_picture *p,
                        gm_error *err) {
  size_t n;
  gm_region *regions = out_scene_regions(scene, &n);
  if (!regions) return err->status = GM_ERR_MEMORY;
  for (size_t i = 0; i < p->n_objects; i++) {
    bool found = false;
    for (size_t k = 0; k < n; k++) found |= iou_of(scene, &regions[k], p->objects[i].box) > 0.5;
    eval_count(&e->a, found);
  }
  for (size_t k = 0; k < n; k++) {
    bool right = false;
    for (size_t i = 0; i < p->n_objects; i++)
      right |= iou_of(scene, &regions[k], p->objects[i].box) > 0.5;
    eval_count(&e->b, right);
  }
  free(regions);
  return GM_OK;
}

static void tell_choice(eval_subject *e, const char *method, const gm_scene *scene,
                        const data_picture *p, const data_expression *x,
                        const gm_ground_result *found, eval_tally *t) {
  gm_box box = {0};
  if (found->n_regions)
    gm_scene_region_unclipped(scene, out_ground_region(found, 0).index, &box);
  bool right = found->n_regions && out_box_iou(box, x->box) > 0.5;
  eval_count(t, right);
  if (!e->args->verbose) return;
  json_t *item = json_pack("{s:s, s:s, s:[f, f, f, f]}", "asked", x->text, "raw",
                           found->raw ? found->raw : "", "box", (double)box.x1, (double)box.y1,
                           (double)box.x2, (double)box.y2);
  if (found->raw) json_object_set_new(item, "margin", out_json_number((double)found->margin));
  tell(method, p, item, right);
}

static gm_status ground_with(eval_subject *e, const char *method, gm_scene *scene,
                             const data_picture *p, const gm_ground_params *params,
                             eval_tally *t, gm_error *err) {
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

static gm_status ground(eval_subject *e, gm_scene *scene, const data_picture *p,
                        gm_error *err) {
  if (p->n_expressions == 0) return GM_OK;
  gm_ground_params params = gm_ground_params_default();
  params.min_present = -1; /* where it is, not whether */
  gm_status status = ground_with(e, "ground", scene, p, &params, &e->b, err);
  if (status != GM_OK) return status;
  params.free = true;
  return ground_with(e, "ground_free", scene, p, &params, &e->a, err);
}

static gm_status describe(eval_subject *e, gm_scene *scene, const data_picture *p,
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
    eval_count(&e->a, right);
    if (e->args->verbose)
      tell("describe", p, json_pack("{s:s, s:s}", "asked", name, "raw", answers[i]->raw),
           right);
  }
  for (size_t i = 0; answers && i < n; i++) gm_answer_free(answers[i]);
  free(answers);
  free(boxes);
  return status;
}

static gm_status caption(eval_subject *e, gm_scene *scene, const data_picture *p,
                         gm_error *err) {
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
      if (used[k] || !same_words(out_grounding(answer, i).phrase, name)) continue;
      used[k] = true;
      common++;
      break;
    }
  free(used);
  size_t both = answer->n_groundings + p->n_objects;
  double f1 = both ? 2.0 * (double)common / (double)both : 1;
  eval_count(&e->a, f1);
  if (e->args->verbose)
    tell("caption", p,
         json_pack("{s:s, s:s, s:f}", "text", answer->text, "raw", answer->raw, "f1", f1),
         common == p->n_objects && both == 2 * common);
  gm_answer_free(answer);
  return GM_OK;
}

const eval_task eval_tasks[EVAL_TASKS] = {
    {"detect", detect, "recall", "precision", false},
    {"ground", ground, "accuracy_free", "accuracy_constrained", true},
    {"describe", describe, "exact", NULL, false},
    {"caption", caption, "f1", NULL, false}};

gm_status eval_picture(eval_subject *e, const data_picture *p, eval_task_fn *run,
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
