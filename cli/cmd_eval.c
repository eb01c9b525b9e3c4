/* cmd_eval.c - gromatic eval: how good a model is on annotated pictures. The tasks and their
 * measures:
 *
 *   detect    share of objects that have a region at IoU > 0.5, share of regions that have an
 * object ground    share of expressions whose box is right at IoU > 0.5: in a free greedy
 * answer, its first region; under constraint, the region of the highest score describe  share
 * of true boxes whose answer is the category's name with its article caption   F1 of the
 * phrases against the objects' names, mean over pictures */
#include "batch.h"
#include "commands.h"
#include "dataset.h"
#include "terminal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_TOKENS = 12, CAPTION_TOKENS = 120 };

typedef struct tally {
  double sum;
  size_t n;
} tally;

typedef struct evaluation {
  const cli_args *args;
  gm_model *model;
  dataset set;
  tally a, b; /* two measures of a task */
  gm_callbacks callbacks;
} evaluation;

typedef gm_status task_fn(evaluation *e, gm_scene *scene, const data_picture *p, gm_error *err);

static bool on_cancelled(void *user) {
  (void)user;
  return cli_interrupted();
}

/* Lower-case, trimmed. */
static bool same_words(const char *a, const char *b) {
  while (isspace((unsigned char)*a)) a++;
  while (isspace((unsigned char)*b)) b++;
  for (; *a && *b; a++, b++)
    if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) break;
  while (isspace((unsigned char)*a)) a++;
  while (isspace((unsigned char)*b)) b++;
  return !*a && !*b;
}

static void name_of(const data_object *object, char *out, size_t size) {
  snprintf(out, size, "%s%s%s", object->article, object->article[0] ? " " : "",
           object->category);
}

/* Measured with the model's own boxes, as the reference is: some stand out of the picture a
 * little. */
static double iou_of(const gm_scene *scene, const gm_region *region, gm_box truth) {
  return data_iou(gm_scene_region_unclipped(scene, region->index), truth);
}

static gm_status detect(evaluation *e, gm_scene *scene, const data_picture *p, gm_error *err) {
  (void)err;
  size_t n;
  const gm_region *regions = gm_scene_regions(scene, &n);
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
  return GM_OK;
}

/* The first region of a free greedy answer. */
static gm_status ground_freely(evaluation *e, gm_scene *scene, const data_expression *x,
                               gm_error *err) {
  char question[1200];
  snprintf(question, sizeof question, "Locate <p>%.1000s</p> in the image.", x->text);
  gm_ask_params params = gm_ask_params_default();
  params.max_tokens = ANSWER_TOKENS;
  params.verbatim = true;
  gm_chat *chat = NULL;
  gm_answer *answer = NULL;
  gm_status status = gm_chat_create(&chat, scene, err);
  if (status == GM_OK)
    status = gm_chat_ask(chat, question, &params, &e->callbacks, &answer, err);
  if (status == GM_OK) {
    bool right = answer->n_groundings > 0 && answer->groundings[0].n_regions > 0 &&
                 iou_of(scene, &answer->groundings[0].regions[0], x->box) > 0.5;
    e->a.sum += right;
    e->a.n++;
  }
  gm_answer_free(answer);
  gm_chat_free(chat);
  return status;
}

static gm_status ground(evaluation *e, gm_scene *scene, const data_picture *p, gm_error *err) {
  size_t n = p->n_expressions;
  if (n == 0) return GM_OK;
  const char **phrases = calloc(n, sizeof *phrases);
  gm_ground_result *found = calloc(n, sizeof *found);
  gm_status status = phrases && found ? GM_OK : GM_ERR_MEMORY;
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    phrases[i] = p->expressions[i].text;
    status = ground_freely(e, scene, &p->expressions[i], err);
  }
  gm_ground_params params = gm_ground_params_default();
  if (status == GM_OK)
    status = gm_ground(scene, phrases, n, &params, &e->callbacks, found, err);
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    e->b.sum +=
        found[i].n_regions && iou_of(scene, &found[i].regions[0], p->expressions[i].box) > 0.5;
    e->b.n++;
  }
  for (size_t i = 0; found && i < n; i++) gm_ground_result_free(&found[i]);
  free(found);
  free(phrases);
  return status;
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
    name_of(&p->objects[i], name, sizeof name);
    e->a.sum += same_words(answers[i]->text, name);
    e->a.n++;
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
      name_of(&p->objects[k], name, sizeof name);
      if (used[k] || !same_words(answer->groundings[i].phrase, name)) continue;
      used[k] = true;
      common++;
      break;
    }
  free(used);
  size_t both = answer->n_groundings + p->n_objects;
  e->a.sum += both ? 2.0 * (double)common / (double)both : 1;
  e->a.n++;
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
  gm_scene_params params = gm_scene_params_default();
  if (e->args->conf >= 0) params.box_score_thres = (float)e->args->conf;
  if (e->args->iou >= 0) params.nms_thres = (float)e->args->iou;
  if (e->args->max_det) params.max_regions = (uint32_t)e->args->max_det;
  params.append_boxes = e->args->append_boxes;
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
    json_t *line = json_pack("{s:s, s:s, s:I, s:o, s:o}", "set", e->args->coco, "method",
                             tasks[task].name, "n", (json_int_t)e->a.n, tasks[task].measure_a,
                             cli_json_number(a), "seconds", cli_json_number(seconds));
    if (tasks[task].measure_b)
      json_object_set_new(line, tasks[task].measure_b, cli_json_number(b));
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(10));
    if (text) puts(text);
    free(text);
    json_decref(line);
    return;
  }
  printf("%-10s %s %.4f (%zu)", tasks[task].name, tasks[task].measure_a, a, e->a.n);
  if (tasks[task].measure_b) printf("  %s %.4f (%zu)", tasks[task].measure_b, b, e->b.n);
  printf("  %.1f s\n", seconds);
}

static int run_task(evaluation *e, size_t task, cli_progress *progress) {
  double began = cli_now();
  e->a = e->b = (tally){0};
  for (size_t i = 0; i < e->set.n_pictures; i++) {
    gm_error err = {0};
    cli_progress_update(progress, tasks[task].name, (double)i / (double)e->set.n_pictures);
    gm_status status = run_picture(e, &e->set.pictures[i], tasks[task].run, &err);
    if (status == GM_OK) continue;
    cli_progress_clear(progress);
    if (status != GM_ERR_CANCELLED) cli_error("%s: %s", e->set.pictures[i].path, err.message);
    return cli_exit_code(status);
  }
  cli_progress_clear(progress);
  print_result(e, task, cli_now() - began);
  return CLI_DONE;
}

int cmd_eval(const cli_args *args) {
  enum { N_TASKS = sizeof tasks / sizeof tasks[0] };
  bool wanted[N_TASKS] = {false};
  if (args->inputs.n == 0 || !args->coco) {
    cli_error("eval: wanted tasks (detect, ground, describe, caption) and --coco FILE");
    return CLI_USAGE;
  }
  for (size_t i = 0; i < args->inputs.n; i++) {
    size_t k = 0;
    while (k < N_TASKS && strcmp(tasks[k].name, args->inputs.items[i]) != 0) k++;
    if (k == N_TASKS || (tasks[k].needs_refs && !args->refs)) {
      cli_error(k == N_TASKS ? "eval: found '%s', wanted detect, ground, describe or caption"
                             : "eval %s: wanted --refs FILE, the expressions",
                args->inputs.items[i]);
      return CLI_USAGE;
    }
    wanted[k] = true;
  }
  cli_catch_interrupt();
  evaluation e = {.args = args};
  e.callbacks.cancelled = on_cancelled;
  if (!dataset_load(&e.set, args->coco, args->refs, args->images, (size_t)args->limit))
    return CLI_USAGE;
  int code = cli_open_model(args, &e.model);
  cli_progress progress = cli_progress_begin(args->quiet);
  for (size_t k = 0; code == CLI_DONE && k < N_TASKS; k++)
    if (wanted[k]) code = run_task(&e, k, &progress);
  gm_model_free(e.model);
  dataset_free(&e.set);
  return code;
}
