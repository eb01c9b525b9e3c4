/* benchmark_run.c - see benchmark_run.h. */
#include "benchmark_run.h"

#include "adapters.h"
#include "caption_tokens.h"
#include "class_options.h"
#include "eval_run.h"
#include "opencv_resize.h"
#include "params.h"
#include "question_templates.h"
#include "results.h"
#include "rng.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

enum { TOGETHER = 16 }; /* questions about a picture that are computed together */

typedef struct runner {
  const cli_args *args;
  gm_task task;
  gm_model *model;
  gm_clip *clip; /* that the model's head looks with; NULL: none */
  const benchmark_ids *ids;
  score_answers *answers;
  cli_ledger *lines;       /* NULL: none are written */
  double scale_x, scale_y; /* pixels of the picture's file for one of the scene's */
  gm_callbacks callbacks;
  eval_run run;
} runner;

/* ---- questions ---- */

/* The question about an item, for free(). */
static char *question_of(const runner *r, const benchmark_item *item) {
  if (r->task == GM_TASK_CHAT) return strdup(item->phrase);
  gm_question_list list = gm_question_templates(r->task);
  gm_rng rng = {gm_mix64(r->args->seed) ^ item->entry};
  size_t drawn = r->args->templates ? (size_t)(gm_rng_unit(&rng) * (double)list.n) : 0;
  const char *template = list.questions[drawn], *at = strchr(template, '@');
  char *question = NULL;
  int n = item->phrase ? asprintf(&question, "%.*s<p>%s</p>%s", (int)(at - template), template,
                                  item->phrase, at + 1)
                       : asprintf(&question, "%.*s<roi><refer_box></roi><refer_feat>%s",
                                  (int)(at - template), template, at + 1);
  return n < 0 ? NULL : question;
}

static gm_ask_params params_of(const runner *r, gm_box *box) {
  gm_ask_params params = gm_ask_params_default();
  if (r->task == GM_TASK_CHAT) {
    params.no_grounding = true;
    params.max_tokens = 1024;
    return params;
  }
  params.verbatim = true;
  params.max_tokens = r->task == GM_TASK_LOCATE ? 3 : r->task == GM_TASK_LOCATE_ALL ? 10 : 100;
  if (r->task != GM_TASK_LOCATE && r->task != GM_TASK_LOCATE_ALL) {
    params.boxes = box;
    params.n_boxes = 1;
  }
  return params;
}

/* ---- answers ---- */

static gm_status box_of(const runner *r, const gm_scene *scene, int32_t index, score_box *out) {
  gm_box box = {0};
  gm_status status = gm_scene_region_unclipped(scene, index, &box);
  *out = (score_box){(double)box.x1 * r->scale_x, (double)box.y1 * r->scale_y,
                     ((double)box.x2 - (double)box.x1) * r->scale_x,
                     ((double)box.y2 - (double)box.y1) * r->scale_y};
  return status;
}

/* The next region of the list that the text names, from *at on; -1: none. */
static int32_t next_region(const char **at, size_t n_regions) {
  while ((*at = strstr(*at, "<r"))) {
    char *end;
    *at += 2;
    unsigned long index = strtoul(*at, &end, 10);
    if (end > *at && **at >= '0' && **at <= '9' && *end == '>' && index < n_regions)
      return (int32_t)index;
  }
  return -1;
}

static gm_status add_regions(runner *r, const gm_scene *scene, score_answer *answer,
                             gm_error *err) {
  size_t n = gm_scene_region_count(scene);
  gm_status status = GM_OK;
  answer->first_region = r->answers->n_regions;
  answer->has_regions = true;
  for (; status == GM_OK && answer->n_regions < n; answer->n_regions++) {
    score_region region = {0};
    status = box_of(r, scene, (int32_t)answer->n_regions, &region.box);
    if (status == GM_OK) status = score_answers_add_region(r->answers, region, err);
  }
  return status;
}

/* Without white space at its ends, for free(). */
static char *trimmed(const char *text) {
  text += strspn(text, " \t\r\n");
  size_t n = strlen(text);
  while (n && strchr(" \t\r\n", text[n - 1])) n--;
  return strndup(text, n);
}

static gm_status take_answer(runner *r, const gm_scene *scene, const benchmark_item *item,
                             const gm_answer *given, gm_error *err) {
  score_answer answer = {.entry = item->entry, .category = item->category, .score = 1};
  const char *at = given->raw;
  size_t n = gm_scene_region_count(scene);
  gm_status status = GM_OK;
  int32_t index;
  if (r->task == GM_TASK_LOCATE_ALL) {
    while (status == GM_OK && (index = next_region(&at, n)) >= 0) {
      status = box_of(r, scene, index, &answer.box);
      answer.has_box = true;
      if (status == GM_OK) status = score_answers_add(r->answers, answer, err);
    }
    return status;
  }
  if (r->task == GM_TASK_LOCATE) {
    index = next_region(&at, n);
    answer.has_box = index >= 0;
    if (answer.has_box) status = box_of(r, scene, index, &answer.box);
    if (status == GM_OK) status = add_regions(r, scene, &answer, err);
  } else if (r->task == GM_TASK_CHAT) {
    answer.caption = trimmed(given->text);
    if (!answer.caption) return gm_fail_memory(err, "an answer", strlen(given->text));
  } else {
    answer.caption = strdup(given->raw);
    if (!answer.caption) return gm_fail_memory(err, "a caption", strlen(given->raw));
    caption_clean(answer.caption);
  }
  return status == GM_OK ? score_answers_add(r->answers, answer, err) : status;
}

static gm_status ask(runner *r, gm_scene *scene, const benchmark_item *items, size_t n,
                     gm_error *err) {
  char *questions[TOGETHER] = {0};
  gm_box boxes[TOGETHER];
  gm_ask_params params[TOGETHER];
  gm_answer *answers[TOGETHER] = {0};
  gm_status status = GM_OK;
  for (size_t i = 0; i < n; i++) {
    score_box b = items[i].box;
    boxes[i] = (gm_box){(float)(b.x / r->scale_x), (float)(b.y / r->scale_y),
                        (float)((b.x + b.w) / r->scale_x), (float)((b.y + b.h) / r->scale_y)};
    params[i] = params_of(r, &boxes[i]);
    questions[i] = question_of(r, &items[i]);
    if (!questions[i]) status = gm_fail_memory(err, "a question", 1);
  }
  if (status == GM_OK)
    status =
        gm_ask(scene, (const char *const *)questions, params, n, &r->callbacks, answers, err);
  for (size_t i = 0; status == GM_OK && i < n; i++)
    status = take_answer(r, scene, &items[i], answers[i], err);
  for (size_t i = 0; i < n; i++) {
    gm_answer_free(answers[i]);
    free(questions[i]);
  }
  return status;
}

/* ---- phrases of which some name nothing ---- */

static gm_status take_ground(runner *r, const gm_scene *scene, const benchmark_item *item,
                             const gm_ground_result *found, gm_error *err) {
  score_answer answer = {.entry = item->entry,
                         .category = item->category,
                         .first_region = r->answers->n_regions,
                         .has_regions = true,
                         .present = (double)found->present,
                         .calibrated = found->calibrated};
  gm_status status = GM_OK;
  for (; status == GM_OK && answer.n_regions < found->n_regions; answer.n_regions++) {
    gm_region region = out_ground_region(found, answer.n_regions);
    score_region given = {.score = (double)region.score};
    status = box_of(r, scene, region.index, &given.box);
    if (status == GM_OK) status = score_answers_add_region(r->answers, given, err);
  }
  return status == GM_OK ? score_answers_add(r->answers, answer, err) : status;
}

/* The limit is not used here: the answers have what would be given without it. */
static gm_status ground(runner *r, gm_scene *scene, const gm_image *image,
                        const benchmark_item *items, size_t n, gm_error *err) {
  const char *phrases[TOGETHER];
  gm_ground_result *found[TOGETHER] = {0};
  gm_ground_params params = gm_ground_params_default();
  params.max_det = 1;
  params.min_present = -1;
  params.clip = r->clip;
  params.image = r->clip ? image : NULL;
  for (size_t i = 0; i < n; i++) phrases[i] = items[i].phrase;
  gm_status status = gm_ground(scene, phrases, n, &params, &r->callbacks, found, err);
  for (size_t i = 0; status == GM_OK && i < n; i++)
    status = take_ground(r, scene, &items[i], found[i], err);
  for (size_t i = 0; i < n; i++) gm_ground_result_free(found[i]);
  return status;
}

static gm_status take_proposals(runner *r, const gm_scene *scene, const benchmark_item *item,
                                gm_error *err) {
  gm_status status = GM_OK;
  for (size_t i = 0; status == GM_OK && i < gm_scene_region_count(scene); i++) {
    gm_region region = {.struct_size = sizeof region};
    score_answer answer = {.entry = item->entry, .has_box = true};
    status = gm_scene_region_at(scene, i, &region);
    if (status == GM_OK) status = box_of(r, scene, region.index, &answer.box);
    answer.score = (double)region.score;
    if (status == GM_OK) status = score_answers_add(r->answers, answer, err);
  }
  return status;
}

/* ---- pictures ---- */

/* Replaces the picture by one of the model's size, so that nothing more is resized. */
static gm_status resize_as_opencv(runner *r, gm_image **image, gm_error *err) {
  size_t size = out_model_info(r->model).image_size, width = gm_image_width(*image),
         height = gm_image_height(*image);
  uint8_t *rgb = malloc(size * size * 3);
  gm_image *resized = NULL;
  gm_status status = rgb ? opencv_resize(rgb, size, gm_image_rgb(*image), width, height, err)
                         : gm_fail_memory(err, "a resized picture", size * size * 3);
  if (status == GM_OK)
    status = gm_image_from_rgb(&resized, rgb, (uint32_t)size, (uint32_t)size, err);
  free(rgb);
  if (status != GM_OK) return status;
  gm_image_free(*image);
  *image = resized;
  r->scale_x = (double)width / (double)size;
  r->scale_y = (double)height / (double)size;
  return GM_OK;
}

/* The items are all those of one picture. */
static gm_status run_picture(runner *r, const char *path, const benchmark_item *items, size_t n,
                             gm_error *err) {
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_image_params image_params = cli_image_params(r->args);
  gm_scene_params params = cli_scene_params(r->args);
  gm_status status = gm_image_open(&image, path, &image_params, err);
  r->scale_x = r->scale_y = 1;
  if (status == GM_OK && r->args->resize && strcmp(r->args->resize, "opencv") == 0)
    status = resize_as_opencv(r, &image, err);
  if (status == GM_OK)
    status = gm_scene_create(&scene, r->model, image, &params, &r->callbacks, err);
  if (r->task == GM_TASK_DETECT) {
    if (status == GM_OK) status = take_proposals(r, scene, &items[0], err);
    n = 0;
  }
  for (size_t i = 0; status == GM_OK && i < n; i += TOGETHER) {
    size_t some = n - i < TOGETHER ? n - i : TOGETHER;
    status = r->ids->kind == SCORE_PRESENCE ? ground(r, scene, image, items + i, some, err)
                                            : ask(r, scene, items + i, some, err);
  }
  gm_scene_free(scene);
  gm_image_free(image);
  return status;
}

static int by_file(const void *a, const void *b) {
  const benchmark_item *x = a, *y = b;
  int order = strcmp(x->file, y->file);
  return order ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

/* The number of items from i on that ask about one picture. */
static size_t same_picture(const runner *r, const benchmark_item *items, size_t n, size_t i) {
  size_t k = 1;
  if (r->task == GM_TASK_DETECT || r->task == GM_TASK_CHAT) return 1;
  while (i + k < n && strcmp(items[i + k].file, items[i].file) == 0) k++;
  return k;
}

/* Of a failed picture no answer is kept. */
static void forget_from(score_answers *answers, size_t n) {
  while (answers->n > n) free(answers->items[--answers->n].caption);
}

/* A picture that an earlier run did is passed over. Returns an exit code. */
static int do_picture(runner *r, const char *folder, const benchmark_item *items, size_t n) {
  char *path = NULL, *asked = NULL, key[65];
  gm_error err = {0};
  size_t before = r->answers->n;
  bool absolute = items[0].file[0] == '/', failed;
  int code = CLI_SOME_FAILED;
  if (asprintf(&asked, "%s:%zu:%zu", items[0].file, items[0].entry, n) < 0) return code;
  gm_sha256(asked, strlen(asked), key);
  free(asked);
  if (r->lines && cli_ledger_take(r->lines, key, &failed)) return CLI_DONE;
  if (asprintf(&path, "%s%s%s", absolute ? "" : folder, absolute ? "" : "/", items[0].file) >=
      0) {
    gm_status status = run_picture(r, path, items, n, &err);
    if (status != GM_OK) {
      forget_from(r->answers, before);
      code = eval_run_fail(&r->run, path, status, &err) ? CLI_DONE : CLI_INTERRUPTED;
    } else if (!r->lines || benchmark_lines_add(r->lines, key, r->answers, before, r->ids)) {
      code = CLI_DONE;
    }
    free(path);
  }
  return code;
}

static int run_pictures(runner *r, const char *folder, const benchmark_item *items, size_t n) {
  int code = CLI_DONE;
  for (size_t i = 0, k, picture = 0; code == CLI_DONE && i < n; i += k, picture++) {
    k = same_picture(r, items, n, i);
    eval_run_at(&r->run, r->args->inputs.items[0], picture);
    code = do_picture(r, folder, items + i, k);
  }
  if (code == CLI_DONE && r->lines && !cli_ledger_finish(r->lines)) return CLI_SOME_FAILED;
  return code;
}

/* The folder of the pictures, for free(): --images, or images beside the annotations. */
static char *folder_of(const cli_args *args) {
  char *folder = NULL;
  const char *set = args->coco ? args->coco : args->questions, *slash = strrchr(set, '/');
  if (args->images) return strdup(args->images);
  int length = slash ? (int)(slash - set) + 1 : 0;
  return asprintf(&folder, "%.*simages", length, set) < 0 ? NULL : folder;
}

int benchmark_run(score_answers *answers, char sha256[65], size_t *n_failed,
                  const cli_args *args, gm_task task, const benchmark_ids *ids,
                  benchmark_item *items, size_t n) {
  runner r = {
      .args = args, .task = task, .ids = ids, .answers = answers, .callbacks = cli_callbacks()};
  gm_error err = {0};
  char *folder = folder_of(args);
  size_t n_pictures = 0;
  *answers = (score_answers){0};
  *n_failed = 0;
  for (size_t i = 0; i < n; i++)
    if (!items[i].file || !folder) {
      cli_error("%s: an entry of images without a file_name", args->coco); /* a chat has it */
      free(folder);
      return CLI_USAGE;
    }
  if (task != GM_TASK_CHAT) qsort(items, n, sizeof *items, by_file);
  for (size_t i = 0; i < n; i += same_picture(&r, items, n, i)) n_pictures++;
  cli_catch_interrupt();
  bool looks = ids->kind == SCORE_PRESENCE;
  char clip_sha256[65] = "";
  int code = cli_open_model(args, 0, looks && args->clip_model, &r.model);
  if (code == CLI_DONE && gm_model_sha256(r.model, sha256, &r.callbacks, &err) != GM_OK) {
    cli_report_error(&err);
    code = CLI_MODEL;
  }
  if (code == CLI_DONE && looks) code = cli_open_head_clip(args, r.model, &r.clip);
  if (code == CLI_DONE && r.clip &&
      gm_clip_sha256(r.clip, clip_sha256, &r.callbacks, &err) != GM_OK) {
    cli_report_error(&err);
    code = CLI_MODEL;
  }
  if (code == CLI_DONE)
    code = benchmark_lines_open(&r.lines, answers, args, ids, sha256, clip_sha256,
                                cli_adapter_settings(r.model, r.clip),
                                out_model_info(r.model).kernels);
  if (code == CLI_DONE) {
    r.run = eval_run_begin(args, n_pictures, n, 0);
    code = run_pictures(&r, folder, items, n);
    *n_failed = r.run.n_failed;
    code = eval_run_end(&r.run, code);
  }
  cli_ledger_close(r.lines);
  cli_close_clip(args, r.clip);
  cli_close_model(args, r.model);
  free(folder);
  return code;
}
