/* tune_measure.c - see tune_measure.h. */
#include "tune_measure.h"

#include "box_overlap.h"
#include "cache_options.h"
#include "engine.h"
#include "params.h"
#include "progress.h"
#include "results.h"
#include "terminal.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ABSENT = 2, CAPTION_TOKENS = 120 }; /* ABSENT: phrases a picture that are not there */

const tune_value_row tune_value_rows[TUNE_VALUES] = {
    [TUNE_RECALL] = {"boxes found", "recall", true},
    [TUNE_AR] = {"boxes, AR 0.5-0.95", "ar", false},
    [TUNE_PRECISION] = {"regions on a box", "precision", false},
    [TUNE_GROUND] = {"phrases found", "ground", true},
    [TUNE_NAMES] = {"names right", "names", true},
    [TUNE_CAPTIONS] = {"captions, F1", "captions", true},
    [TUNE_FALSE_ALARMS] = {"found, not there", "false_alarms", false}};

double tune_mean(const eval_tally *t) {
  return t->n ? t->sum / (double)t->n : 0;
}

double tune_error(const eval_tally *t) {
  if (t->n < 2) return 0;
  double mean = tune_mean(t), variance = t->squares / (double)t->n - mean * mean;
  return sqrt(fmax(variance, 0) / (double)(t->n - 1));
}

/* ---- one picture ---- */

typedef struct measuring {
  tune_measures *out;
  const tune_data *data;
  eval_subject subject;
} measuring;

static gm_status run_task(measuring *m, gm_scene *scene, const data_picture *p, size_t task,
                          tune_value *a, tune_value *b, gm_error *err) {
  m->subject.a = a ? m->out->values[*a] : (eval_tally){0};
  m->subject.b = b ? m->out->values[*b] : (eval_tally){0};
  gm_status status = eval_tasks[task].run(&m->subject, scene, p, err);
  if (a) m->out->values[*a] = m->subject.a;
  if (b) m->out->values[*b] = m->subject.b;
  return status;
}

static void count_overlaps(measuring *m, const gm_scene *scene, const data_picture *p) {
  size_t n;
  gm_region *regions = out_scene_regions(scene, &n);
  for (size_t i = 0; regions && i < p->n_objects; i++) {
    double best = 0;
    for (size_t k = 0; k < n; k++) {
      gm_box box = {0};
      gm_scene_region_unclipped(scene, regions[k].index, &box);
      best = fmax(best, out_box_iou(box, p->objects[i].box));
    }
    double passed = 0;
    for (int t = 0; t < 10; t++) passed += best > 0.5 + 0.05 * t;
    eval_count(&m->out->values[TUNE_AR], passed / 10);
  }
  free(regions);
}

/* Categories that the picture does not have, drawn by its number. */
static size_t absent_names(const measuring *m, size_t picture, const data_picture *p,
                           const char *names[ABSENT]) {
  const dataset *set = &m->data->set;
  size_t n = 0, at = picture * 7 + 3;
  for (size_t tries = 0; n < ABSENT && tries < set->n_categories; tries++, at += 5) {
    size_t category = at % set->n_categories;
    bool there = !set->categories[category].name[0];
    for (size_t i = 0; i < p->n_objects; i++) there |= p->objects[i].category == category;
    for (size_t i = 0; i < n; i++) there |= names[i] == m->data->names[category];
    if (!there) names[n++] = m->data->names[category];
  }
  return n;
}

static gm_status count_false_alarms(measuring *m, gm_scene *scene, size_t picture,
                                    const data_picture *p, gm_error *err) {
  const char *names[ABSENT];
  gm_ground_result *found[ABSENT] = {NULL};
  size_t n = absent_names(m, picture, p, names);
  if (n == 0) return GM_OK;
  gm_ground_params params = gm_ground_params_default();
  params.free = true;
  gm_status status = gm_ground(scene, names, n, &params, &m->subject.callbacks, found, err);
  for (size_t i = 0; i < n; i++) {
    if (status == GM_OK)
      eval_count(&m->out->values[TUNE_FALSE_ALARMS], found[i]->n_regions > 0);
    gm_ground_result_free(found[i]);
  }
  return status;
}

static gm_status measure_scene(measuring *m, gm_scene *scene, size_t i, gm_error *err) {
  const data_picture *p = &m->data->measured[i];
  tune_value recall = TUNE_RECALL, precision = TUNE_PRECISION, ground = TUNE_GROUND,
             names = TUNE_NAMES, captions = TUNE_CAPTIONS;
  gm_status status = run_task(m, scene, p, 0, &recall, &precision, err);
  count_overlaps(m, scene, p);
  if (status == GM_OK) status = run_task(m, scene, p, 1, NULL, &ground, err);
  if (status == GM_OK) status = run_task(m, scene, p, 2, &names, NULL, err);
  if (status == GM_OK) status = run_task(m, scene, p, 3, &captions, NULL, err);
  if (status == GM_OK) status = count_false_alarms(m, scene, i, p, err);
  if (status != GM_OK || i >= TUNE_SHOWN) return status;
  gm_ask_params params = gm_ask_params_default();
  params.max_tokens = CAPTION_TOKENS;
  return gm_caption(scene, &params, &m->subject.callbacks, &m->out->shown[i], err);
}

static gm_status measure_picture(measuring *m, size_t i, gm_error *err) {
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_status status = gm_image_open(&image, m->data->measured[i].path, NULL, err);
  if (status == GM_OK)
    status = gm_scene_create(&scene, m->subject.model, image, NULL, &m->subject.callbacks, err);
  if (status == GM_OK) status = measure_scene(m, scene, i, err);
  gm_scene_free(scene);
  gm_image_free(image);
  return status;
}

/* ---- all ---- */

static int measure_all(measuring *m, const char *what, size_t n, double seconds) {
  cli_progress progress = cli_progress_begin(m->subject.args->quiet);
  double began = cli_now();
  size_t i = 0;
  m->out->first = calloc(n + 1, sizeof *m->out->first);
  if (!m->out->first) {
    cli_error("tune: not enough memory");
    return CLI_SOME_FAILED;
  }
  for (; i < n; i++) {
    gm_error err = {0};
    /* Would the next one take too long? */
    double spent = cli_now() - began;
    if (seconds > 0 && i >= TUNE_FEWEST && spent * (double)(i + 1) / (double)i > seconds) break;
    cli_progress_update(&progress, what, (double)i / (double)n);
    gm_status status = measure_picture(m, i, &err);
    m->out->n_failed += status != GM_OK;
    memcpy(m->out->first[i].values, m->out->values, sizeof m->out->values);
    if (status == GM_OK) continue;
    cli_progress_clear(&progress);
    if (status == GM_ERR_CANCELLED) return CLI_INTERRUPTED;
    cli_error("%s", err.message);
  }
  cli_progress_clear(&progress);
  if (i < n && !m->subject.args->quiet)
    cli_print(stderr, "%s: %zu of %zu held pictures, for want of time\n", what, i, n);
  m->out->n_pictures = i;
  m->out->seconds = cli_now() - began;
  if (m->out->n_failed < i || n == 0) return CLI_DONE;
  cli_error("tune: none of the %zu held pictures can be measured", i);
  return CLI_SOME_FAILED;
}

int tune_measure(tune_measures *out, const cli_args *args, const tune_data *data,
                 const char *adapter, const char *what, size_t most, double seconds) {
  *out = (tune_measures){0};
  /* eval's arguments: its own, but for the model; answers are not printed. */
  cli_args quiet = *args;
  quiet.verbose = 0;
  measuring m = {.out = out,
                 .data = data,
                 .subject = {.args = &quiet, .set = &data->set, .callbacks = cli_callbacks()}};
  gm_adapter_use use = {.struct_size = sizeof use, .path = adapter};
  gm_model_params params = gm_model_params_default();
  params.no_scenes = true;
  params.adapters = adapter ? &use : NULL;
  params.n_adapters = adapter != NULL;
  gm_error err = {0};
  gm_status status = cli_engine(args, &params.engine, &err);
  if (status == GM_OK) status = gm_model_open(&m.subject.model, args->model, &params, &err);
  if (status != GM_OK) {
    cli_report_error(&err);
    return cli_model_exit_code(status);
  }
  int code = measure_all(&m, what, most, seconds);
  gm_model_free(m.subject.model);
  return code;
}

void tune_measures_cut(tune_measures *m, size_t n) {
  if (n == 0 || n >= m->n_pictures) return;
  memcpy(m->values, m->first[n - 1].values, sizeof m->values);
  m->n_pictures = n;
}

void tune_measures_free(tune_measures *m) {
  free(m->first);
  m->first = NULL;
  for (size_t i = 0; i < TUNE_SHOWN; i++) {
    gm_answer_free(m->shown[i]);
    m->shown[i] = NULL;
  }
}

/* ---- table ---- */

static void print_json(const tune_measures *before, const tune_measures *after) {
  json_t *all = json_object();
  for (size_t i = 0; i < TUNE_VALUES; i++) {
    json_t *row = json_pack("{s:I, s:f}", "n", (json_int_t)before->values[i].n, "before",
                            tune_mean(&before->values[i]));
    if (after) json_object_set_new(row, "after", json_real(tune_mean(&after->values[i])));
    json_object_set_new(all, tune_value_rows[i].key, row);
  }
  char *text = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(10));
  if (text) cli_put_json(stdout, text);
  free(text);
  json_decref(all);
}

void tune_print(const cli_args *args, const tune_measures *before, const tune_measures *after) {
  if (args->json) {
    print_json(before, after);
    return;
  }
  printf("%-20s %8s %8s  %s\n", "held pictures", "before", after ? "after" : "", "of");
  for (size_t i = 0; i < TUNE_VALUES; i++) {
    const eval_tally *b = &before->values[i];
    if (b->n == 0) continue;
    printf("%-20s %8.3f ", tune_value_rows[i].name, tune_mean(b));
    if (after)
      printf("%8.3f", tune_mean(&after->values[i]));
    else
      printf("%8s", "");
    printf("  %zu\n", b->n);
  }
  fflush(stdout);
}

tune_value tune_worse(const tune_measures *before, const tune_measures *after) {
  for (size_t i = 0; i < TUNE_VALUES; i++) {
    const eval_tally *b = &before->values[i];
    if (!tune_value_rows[i].decides || b->n == 0) continue;
    if (tune_mean(&after->values[i]) < tune_mean(b) - tune_error(b)) return (tune_value)i;
  }
  return TUNE_VALUES;
}
