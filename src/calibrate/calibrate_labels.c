/* calibrate_labels.c - gm_calibrate_labels: an annotated set, a CLIP and a proposer -> a head
 * that says which regions have no name.
 *
 *   pictures -> regions -> signals, with all names and with shorter lists -> rows -> units ->
 *   adapter file */
#include "adapter.h"
#include "clip_handles.h"
#include "fit.h"
#include "handles.h"
#include "label_look.h"
#include "logistic_fit.h"
#include "name_table.h"
#include "present_head.h"
#include "struct_size.h"
#include "tune_pictures.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDS = 5, LISTS = 4 /* of a region: all names, and shorter ones */ };
#define ON_OBJECT 0.5F
#define OFF_OBJECTS 0.3F
#define MOST_LOST 0.018 /* of the right names, where the limit is */
#define LEAST_GAIN 0.05 /* of the wrong ones refused, for a unit to be used */

/* A region under one list of names. */
typedef struct label_row {
  float signals[GM_LABEL_SIGNALS];
  bool right;   /* it has its object's name */
  bool nothing; /* no name of the list is there; neither: another name of the list would be */
  bool all;     /* the list has all names */
  size_t picture;
} label_row;

typedef struct calibration {
  const gm_calibrate_labels_params *params;
  const gm_callbacks *callbacks;
  gm_tune_pictures pictures;
  gm_model *model;
  gm_clip *clip;
  gm_classes *classes;
  const char **names; /* [n_names] nouns */
  char *descriptions; /* none of each, as JSON */
  size_t n_names;
  gm_name_table table;
  size_t *list; /* [n_names] room for a list */
  gm_label_head head;
  label_row *rows; /* [n] */
  size_t n, capacity;
  gm_rng rng;
  /* The picture in work. */
  size_t picture;
  const gm_region *regions;
} calibration;

/* ---- names ---- */

/* {"name": [], ...} */
static gm_status no_descriptions(calibration *k, gm_error *err) {
  json_t *lists = json_object();
  for (size_t i = 0; i < k->n_names; i++) json_object_set_new(lists, k->names[i], json_array());
  k->descriptions = lists ? json_dumps(lists, JSON_COMPACT) : NULL;
  json_decref(lists);
  return k->descriptions ? GM_OK : gm_fail_memory(err, "the names", k->n_names);
}

static gm_status list_names(calibration *k, gm_error *err) {
  const gm_tune_list *list = &k->pictures.learned;
  size_t most = 0;
  for (size_t i = 0; i < list->n; i++) most += list->all[i].n_objects;
  k->names = calloc(most + 1, sizeof *k->names);
  k->list = calloc(most + 1, sizeof *k->list);
  bool ok = k->names && k->list;
  for (size_t i = 0; ok && i < list->n; i++)
    for (size_t o = 0; ok && o < list->all[i].n_objects; o++) {
      const char *noun = list->all[i].objects[o].noun;
      size_t at = gm_name_table_add(&k->table, noun, strlen(noun));
      ok = at != GM_NAME_NONE;
      if (ok && at == k->n_names) k->names[k->n_names++] = noun;
    }
  if (!ok) return gm_fail_memory(err, "the names", most * sizeof *k->names);
  if (k->n_names >= 2) return no_descriptions(k, err);
  return gm_fail(err, GM_ERR_ARGUMENT, "found %zu names in %zu pictures, wanted 2 or more",
                 k->n_names, list->n);
}

/* ---- rows ---- */

static float overlap(gm_box a, gm_box b) {
  float w = fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1), h = fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1);
  float both = fmaxf(w, 0) * fmaxf(h, 0);
  return both / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both);
}

/* The object that the region overlaps most, as the number of its name; *iou. */
static size_t object_at(const calibration *k, gm_box box, float *iou) {
  const gm_tune_picture *p = &k->pictures.learned.all[k->picture];
  size_t name = SIZE_MAX;
  *iou = 0;
  for (size_t i = 0; i < p->n_objects; i++) {
    float o = overlap(box, p->objects[i].box);
    if (o <= *iou) continue;
    *iou = o;
    name = gm_name_table_find(&k->table, p->objects[i].noun, strlen(p->objects[i].noun));
  }
  return name;
}

static bool is_listed(const size_t *list, size_t n, size_t name) {
  size_t i = 0;
  while (i < n && list[i] != name) i++;
  return i < n;
}

/* A list of random length, short ones as often as long ones, and random names. */
static size_t draw_list(calibration *k) {
  size_t n = (size_t)exp(gm_rng_unit(&k->rng) * log((double)k->n_names + 0.99));
  for (size_t i = 0; i < k->n_names; i++) k->list[i] = i;
  for (size_t i = 0; i < n; i++) {
    size_t other = i + (size_t)(gm_rng_unit(&k->rng) * (double)(k->n_names - i));
    size_t swap = k->list[i];
    k->list[i] = k->list[other];
    k->list[other] = swap;
  }
  return n;
}

static gm_status room_for_row(calibration *k, gm_error *err) {
  if (k->n < k->capacity) return GM_OK;
  size_t capacity = k->capacity ? 2 * k->capacity : 1024;
  label_row *rows = realloc(k->rows, capacity * sizeof *rows);
  if (!rows) return gm_fail_memory(err, "the rows", capacity * sizeof *rows);
  k->rows = rows;
  k->capacity = capacity;
  return GM_OK;
}

static void tell_row(const calibration *k, const label_row *row, gm_box box, size_t best,
                     size_t n) {
  if (!k->params->row) return;
  const gm_calibrate_label_row told = {.struct_size = sizeof told,
                                       .picture = k->pictures.learned.all[k->picture].path,
                                       .box = box,
                                       .label = k->names[best],
                                       .kind = row->right     ? "right"
                                               : row->nothing ? "nothing"
                                                              : "wrong",
                                       .n_classes = n,
                                       .names = gm_label_signal_names,
                                       .signals = row->signals,
                                       .n_signals = GM_LABEL_SIGNALS};
  k->params->row(k->params->row_user, &told);
}

/* gm_label_seen */
static gm_status add_rows(void *user, size_t i, const gm_view *view, const float *raw,
                          const float *signals, gm_error *err) {
  calibration *k = user;
  float iou;
  size_t object = object_at(k, k->regions[i].box, &iou);
  bool on = iou > ON_OBJECT;
  if (!on && iou >= OFF_OBJECTS) return GM_OK; /* neither here nor there */
  for (size_t l = 0; l < LISTS; l++) {
    size_t n = l ? draw_list(k) : k->n_names;
    /* Every second short list has the object's name. */
    if (l && on && gm_rng_unit(&k->rng) < 0.5 && !is_listed(k->list, n, object))
      k->list[0] = object;
    GM_TRY(room_for_row(k, err));
    label_row *row = &k->rows[k->n];
    *row = (label_row){.all = l == 0, .picture = k->picture};
    memcpy(row->signals, signals, sizeof row->signals);
    size_t best =
        gm_label_name_signals(row->signals, view, k->classes, raw, l ? k->list : NULL, n);
    row->right = on && best == object;
    row->nothing = !on || (l && !is_listed(k->list, n, object));
    bool usable = true;
    for (size_t s = 0; s < GM_LABEL_SIGNALS; s++) usable &= isfinite(row->signals[s]) != 0;
    if (!usable) continue;
    k->n++;
    tell_row(k, row, k->regions[i].box, best, n);
  }
  return GM_OK;
}

static gm_status name_regions(calibration *k, const gm_image *image, const gm_scene *scene,
                              gm_error *err) {
  size_t n = gm_scene_region_count(scene);
  gm_region *regions = calloc(n + 1, sizeof *regions);
  gm_box *boxes = calloc(n + 1, sizeof *boxes);
  float *scores = calloc(n + 1, sizeof *scores);
  gm_classification **found = calloc(n + 1, sizeof *found);
  gm_view_params view = gm_view_params_default(GM_METHOD_WCA);
  gm_classify_params scoring = gm_classify_params_default();
  gm_status status = regions && boxes && scores && found
                         ? GM_OK
                         : gm_fail_memory(err, "the regions", n * sizeof *regions);
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    regions[i].struct_size = sizeof regions[i];
    status = gm_scene_region_at(scene, i, &regions[i]);
    boxes[i] = regions[i].box;
    scores[i] = regions[i].score;
  }
  k->regions = regions;
  scoring.region_scores = scores;
  if (status == GM_OK && n > 0)
    status = gm_label_look(k->clip, image, boxes, n, k->classes, &view, &scoring, k->callbacks,
                           found, add_rows, k, err);
  for (size_t i = 0; found && i < n; i++) gm_classification_free(found[i]);
  free(found);
  free(scores);
  free(boxes);
  free(regions);
  return status;
}

static gm_status see_picture(calibration *k, gm_error *err) {
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  GM_TRY(gm_image_open(&image, k->pictures.learned.all[k->picture].path, NULL, err));
  gm_status status = gm_scene_create(&scene, k->model, image, NULL, k->callbacks, err);
  if (status == GM_OK) status = name_regions(k, image, scene, err);
  gm_scene_free(scene);
  gm_image_free(image);
  return status;
}

/* A picture that cannot be read is told and left out. */
static gm_status see_all(calibration *k, gm_error *err) {
  size_t n = k->pictures.learned.n, failed = 0;
  gm_error why = {0};
  for (k->picture = 0; k->picture < n; k->picture++) {
    if (k->callbacks->cancelled && k->callbacks->cancelled(k->callbacks->user))
      return gm_fail(err, GM_ERR_CANCELLED, "cancelled by the caller");
    gm_status status = see_picture(k, &why);
    if (status == GM_ERR_CANCELLED || status == GM_ERR_MEMORY) {
      if (err) *err = why;
      return status;
    }
    failed += status != GM_OK;
    if (status != GM_OK && k->params->note)
      k->params->note(k->params->note_user, false, why.message);
    if (k->callbacks->progress)
      k->callbacks->progress(k->callbacks->user, "naming",
                             (double)(k->picture + 1) / (double)n);
  }
  if (failed < n) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "none of the %zu pictures can be read: %s", n,
                 why.message);
}

/* ---- fitting ---- */

/* Fits to the rows of all pictures but those of a fold; fold FOLDS: of all. */
static gm_status fit_unit(const calibration *k, size_t n_signals, size_t fold,
                          gm_label_unit *unit, gm_error *err) {
  size_t columns = n_signals + 1, n = 0;
  double w[GM_LABEL_SIGNALS + 1];
  double *x = malloc((k->n + 1) * columns * sizeof *x),
         *weights = malloc((k->n + 1) * sizeof *x);
  bool *truth = malloc(k->n + 1);
  gm_status status = x && weights && truth ? GM_OK : gm_fail_memory(err, "the rows", k->n);
  *unit = (gm_label_unit){.n = n_signals};
  for (size_t i = 0; status == GM_OK && i < k->n; i++) {
    if (k->rows[i].picture % FOLDS == fold) continue;
    for (size_t s = 0; s < n_signals; s++) x[n * columns + s] = (double)k->rows[i].signals[s];
    x[n * columns + n_signals] = 1;
    weights[n] = 1;
    truth[n++] = k->rows[i].right;
  }
  if (status == GM_OK)
    gm_standardise(x, n, columns, unit->mean, unit->scale, (double)GM_LABEL_MOST);
  if (status == GM_OK && !gm_logistic_fit(x, truth, weights, n, columns, w))
    status = gm_fail(err, GM_ERR_ARGUMENT, "the regions of these pictures give no head");
  for (size_t s = 0; status == GM_OK && s < n_signals; s++) unit->weights[s] = (float)w[s];
  if (status == GM_OK) unit->bias = (float)w[n_signals];
  free(x);
  free(weights);
  free(truth);
  return status;
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* Below it are MOST_LOST of the right names. all: of the list of all names only. */
static float limit_for(const calibration *k, const float *present, bool all, float *room) {
  size_t n = 0;
  for (size_t i = 0; i < k->n; i++)
    if (k->rows[i].right && (!all || k->rows[i].all)) room[n++] = present[i];
  qsort(room, n, sizeof *room, ascending);
  return n ? room[(size_t)(MOST_LOST * (double)n)] : 0;
}

static void count_rows(const calibration *k, const float *present, float limit,
                       gm_calibrate_labels_report *out) {
  for (size_t i = 0; i < k->n; i++) {
    const label_row *row = &k->rows[i];
    bool none = present[i] < limit;
    out->n_right += row->right;
    out->kept += row->right && !none;
    out->n_nothing += row->nothing;
    out->refused += row->nothing && none;
    if (!row->all) continue;
    out->n_right_all += row->right;
    out->kept_all += row->right && !none;
    out->n_nothing_all += row->nothing;
    out->refused_all += row->nothing && none;
  }
}

/* Each row's present, by a unit that was fitted without its pictures. */
static gm_status cross_validate(const calibration *k, size_t n_signals, float *present,
                                gm_error *err) {
  for (size_t fold = 0; fold < FOLDS; fold++) {
    gm_label_unit unit;
    GM_TRY(fit_unit(k, n_signals, fold, &unit, err));
    for (size_t i = 0; i < k->n; i++)
      if (k->rows[i].picture % FOLDS == fold)
        present[i] = gm_label_present(&unit, k->rows[i].signals);
  }
  return GM_OK;
}

static gm_status measure(const calibration *k, const float *present,
                         gm_calibrate_labels_report *out, gm_error *err) {
  double *values = malloc((k->n + 1) * sizeof *values);
  bool *truth = malloc(k->n + 1);
  gm_status status = values && truth ? GM_OK : gm_fail_memory(err, "the rows", k->n);
  for (size_t i = 0; status == GM_OK && i < k->n; i++) {
    values[i] = (double)present[i];
    truth[i] = k->rows[i].right;
  }
  if (status == GM_OK) status = gm_fit_auc(values, truth, k->n, &out->auc, err);
  if (status == GM_OK) out->ece = gm_fit_ece(values, truth, k->n);
  free(values);
  free(truth);
  return status;
}

static gm_status fit_one(calibration *k, bool scores, gm_calibrate_labels_report *out,
                         gm_error *err) {
  size_t n_signals = scores ? GM_LABEL_SIGNALS : GM_LABEL_PLACES;
  float *present = calloc(2 * k->n + 1, sizeof *present);
  gm_label_unit *unit = &k->head.units[scores];
  *out = (gm_calibrate_labels_report){.struct_size = sizeof *out};
  if (!present) return gm_fail_memory(err, "the rows", 2 * k->n * sizeof *present);
  gm_status status = cross_validate(k, n_signals, present, err);
  if (status == GM_OK) {
    float limit = fminf(limit_for(k, present, true, present + k->n),
                        limit_for(k, present, false, present + k->n));
    count_rows(k, present, limit, out);
    status = measure(k, present, out, err);
    if (status == GM_OK) status = fit_unit(k, n_signals, FOLDS, unit, err);
    unit->limit = limit;
    if (status == GM_OK && (double)out->refused < LEAST_GAIN * (double)out->n_nothing)
      unit->n = 0;
  }
  free(present);
  return status;
}

static gm_status fit(calibration *k, gm_calibrate_labels_report *out, gm_error *err) {
  gm_calibrate_labels_report names;
  size_t right = 0, nothing = 0;
  for (size_t i = 0; i < k->n; i++) {
    right += k->rows[i].right;
    nothing += k->rows[i].nothing;
  }
  if (right == 0 || nothing == 0)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu regions with the right name and %zu on nothing, wanted some of "
                   "both; nothing was written",
                   right, nothing);
  GM_TRY(fit_one(k, false, &names, err));
  GM_TRY(fit_one(k, true, out, err));
  if (k->head.units[0].n || k->head.units[1].n) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "this CLIP does not tell names that are right from others; nothing was "
                 "written");
}

/* ---- the file ---- */

static gm_status write_adapter(calibration *k, const char *path, gm_error *err) {
  char vocabulary[65], header[65];
  const gm_model_file *file = k->clip->base.file;
  const gm_adapter_changes *changes = &k->clip->base.adapted.changes;
  const gm_adapter *before = changes->n_adapters ? changes->adapters[0].adapter : NULL;
  GM_TRY(gm_adapter_tie(file, vocabulary, header, err));
  GM_TRY(gm_present_weights(file, k->head.weights, err));
  snprintf(k->head.method, sizeof k->head.method, "%s", gm_method_name(GM_METHOD_WCA));
  const gm_adapter_head head = {.name = before ? before->head.name : NULL,
                                .architecture = "clip",
                                .alpha = before ? before->head.alpha : 0,
                                .vocabulary = vocabulary,
                                .base = header,
                                .label = &k->head};
  return gm_adapter_write(path, &head, before ? before->parts : NULL, before ? before->n : 0,
                          GM_TYPE_F32, err);
}

/* ---- the whole ---- */

static gm_status open_models(calibration *k, gm_error *err) {
  const gm_calibrate_labels_params *p = k->params;
  const gm_adapter_use use = {.struct_size = sizeof use, .path = p->adapter};
  gm_model_params model = gm_model_params_default();
  gm_clip_params clip = gm_clip_params_default();
  gm_classes_params classes = gm_classes_params_default();
  model.threads = p->threads;
  GM_TRY(gm_model_open(&k->model, p->model, &model, err));
  clip.engine = k->model->base.engine;
  clip.adapters = p->adapter ? &use : NULL;
  clip.n_adapters = p->adapter != NULL;
  GM_TRY(gm_clip_open(&k->clip, p->clip, &clip, err));
  classes.method = GM_METHOD_WCA;
  classes.names = k->names;
  classes.n_names = k->n_names;
  classes.descriptions = k->descriptions;
  return gm_classes_create(&k->classes, k->clip, &classes, k->callbacks, err);
}

static gm_status run(calibration *k, const char *path, gm_calibrate_labels_report *out,
                     gm_error *err) {
  const gm_tune_params pictures = {.struct_size = sizeof pictures,
                                   .learned = k->params->pictures,
                                   .n_learned = k->params->n_pictures};
  GM_TRY(gm_tune_pictures_read(&k->pictures, &pictures, err));
  GM_TRY(list_names(k, err));
  GM_TRY(open_models(k, err));
  GM_TRY(see_all(k, err));
  GM_TRY(fit(k, out, err));
  return write_adapter(k, path, err);
}

gm_status gm_calibrate_labels(const gm_calibrate_labels_params *params, const char *path,
                              const gm_callbacks *callbacks, gm_calibrate_labels_report *out,
                              gm_error *err) {
  gm_calibrate_labels_params own;
  gm_callbacks calls;
  gm_calibrate_labels_report found = {.struct_size = sizeof found};
  GM_TRY(GM_STRUCT_READ(gm_calibrate_labels_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  calibration k = {.params = &own, .callbacks = &calls};
  k.rng.state = gm_mix64(own.seed + 1);
  gm_status status = run(&k, path, &found, err);
  free(k.rows);
  free(k.names);
  free(k.list);
  free(k.descriptions);
  gm_name_table_free(&k.table);
  gm_classes_free(k.classes);
  gm_clip_free(k.clip);
  gm_model_free(k.model);
  gm_tune_pictures_free(&k.pictures);
  if (status == GM_OK && out)
    status = GM_STRUCT_WRITE(gm_calibrate_labels_report, out, &found, err);
  return status;
}
