/* calibrate.c - gm_calibrate: an annotated set and a model -> a head that says what is there.
 *
 *   pictures -> phrases of each, there and not -> signals -> rows -> units -> adapter file */
#include "asked_phrases.h"
#include "fit.h"

#include "adapter.h"
#include "clip_handles.h"
#include "engine.h"
#include "handles.h"
#include "name_table.h"
#include "present.h"
#include "struct_size.h"
#include "tune_pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDS = 5, LEAST_PICTURES = 10 /* where time is short */ };
/* A place that is wrong is rare among questions, and many models cannot tell: it counts so much
 * when `present` is fitted, so that what is there is not refused with it. */
#define PLACE_WEIGHT 0.2
#define LEAST_KEPT 0.9 /* of the right boxes, for a unit to be used */

/* What one question gave. */
typedef struct rows {
  gm_fit_row *all; /* [n] */
  gm_phrase_kind *kinds;
  size_t *pictures; /* number of its picture: rows of one are in one fold */
  size_t n, capacity;
} rows;

typedef struct calibration {
  const gm_calibrate_params *params;
  const gm_callbacks *callbacks;
  gm_tune_pictures pictures;
  gm_model *model;
  gm_clip *clip; /* NULL: none */
  gm_phrase_names names;
  gm_present_head *head;
  rows rows[GM_PRESENT_MODES];
  gm_rng rng;
} calibration;

/* ---- names ---- */

static gm_status list_names(calibration *k, gm_error *err) {
  gm_name_table table = {0};
  size_t most = 0;
  const gm_tune_list *list = &k->pictures.learned;
  gm_phrase_names *names = &k->names;
  for (size_t i = 0; i < list->n; i++) most += list->all[i].n_objects;
  names->names = calloc(most + 1, sizeof *names->names);
  names->nouns = calloc(most + 1, sizeof *names->nouns);
  names->near = calloc(most + 1, sizeof *names->near);
  bool ok = names->names && names->nouns && names->near;
  for (size_t i = 0; ok && i < list->n; i++)
    for (size_t o = 0; ok && o < list->all[i].n_objects; o++) {
      const gm_tune_object *object = &list->all[i].objects[o];
      size_t at = gm_name_table_add(&table, object->name, strlen(object->name));
      ok = at != GM_NAME_NONE;
      if (!ok || at != names->n) continue;
      names->names[names->n] = object->name;
      names->nouns[names->n++] = object->noun;
    }
  gm_name_table_free(&table);
  for (size_t i = 0; ok && i < names->n; i++) names->near[i] = SIZE_MAX;
  return ok ? GM_OK : gm_fail_memory(err, "the names", most * sizeof *names->names);
}

static double dot(const float *a, const float *b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
  return sum;
}

/* The background words are half of the names, so that the head also learns from names that are
 * not among them. */
static gm_status choose_background(calibration *k, const float *features, size_t dim,
                                   gm_error *err) {
  size_t n = k->names.n, most = GM_PRESENT_MAX_WORDS;
  gm_present_head *head = k->head;
  head->background = malloc((n + 1) * dim * sizeof *head->background);
  if (!head->background) return gm_fail_memory(err, "the background words", n * dim);
  for (size_t i = 0; i < n && head->n_words < most; i++) {
    if (gm_rng_unit(&k->rng) < 0.5 && n > 2) continue;
    memcpy(head->background + head->n_words++ * dim, features + i * dim,
           dim * sizeof *features);
  }
  if (head->n_words == 0) {
    memcpy(head->background, features, dim * sizeof *features);
    head->n_words = 1;
  }
  return GM_OK;
}

static void find_near(gm_phrase_names *names, const float *features, size_t dim) {
  for (size_t i = 0; i < names->n; i++) {
    double best = -INFINITY;
    for (size_t o = 0; o < names->n; o++) {
      double cosine = dot(features + i * dim, features + o * dim, dim);
      if (o == i || cosine <= best) continue;
      best = cosine;
      names->near[i] = o;
    }
  }
}

/* What the CLIP makes of the names. */
static gm_status read_names(calibration *k, gm_error *err) {
  size_t dim = k->clip->model->features, n = k->names.n;
  gm_present_head *head = k->head;
  if (n == 0)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found no object with a name in %zu pictures, wanted some",
                   k->pictures.learned.n);
  float *features = malloc((n + 1) * dim * sizeof *features);
  if (!features) return gm_fail_memory(err, "the names", n * dim * sizeof *features);
  gm_status status =
      gm_clip_encode_texts(k->clip, k->names.names, n, features, k->callbacks, err);
  if (status == GM_OK) {
    find_near(&k->names, features, dim);
    status = choose_background(k, features, dim, err);
  }
  free(features);
  head->features = dim;
  snprintf(head->clip_name, sizeof head->clip_name, "%s", k->clip->base.name);
  memcpy(head->clip_vocabulary, k->clip->vocabulary, sizeof head->clip_vocabulary);
  return status;
}

/* ---- rows ---- */

static gm_status room_for_row(rows *r, gm_error *err) {
  if (r->n < r->capacity) return GM_OK;
  size_t capacity = r->capacity ? 2 * r->capacity : 1024;
  gm_fit_row *all = realloc(r->all, capacity * sizeof *all);
  if (all) r->all = all;
  gm_phrase_kind *kinds = realloc(r->kinds, capacity * sizeof *kinds);
  if (kinds) r->kinds = kinds;
  size_t *pictures = realloc(r->pictures, capacity * sizeof *pictures);
  if (pictures) r->pictures = pictures;
  if (!all || !kinds || !pictures) return gm_fail_memory(err, "the rows", capacity);
  r->capacity = capacity;
  return GM_OK;
}

static void tell_row(const calibration *k, const gm_tune_picture *picture,
                     const gm_asked_phrase *phrase, gm_present_mode mode,
                     const gm_fit_row *row) {
  if (!k->params->row) return;
  const gm_calibrate_row told = {.struct_size = sizeof told,
                                 .picture = picture->path,
                                 .phrase = phrase->text,
                                 .kind = gm_phrase_kind_names[phrase->kind],
                                 .names = gm_signal_names,
                                 .signals = row->signals,
                                 .n_signals = k->clip ? GM_SIGNALS : GM_CLIP_SIGNALS,
                                 .share = row->share,
                                 .all = mode == GM_PRESENT_ALL,
                                 .right = row->right};
  k->params->row(k->params->row_user, &told);
}

static bool is_usable(const calibration *k, const gm_fit_row *row) {
  size_t n = k->clip ? GM_SIGNALS : GM_CLIP_SIGNALS;
  for (size_t i = 0; i < n; i++)
    if (!isfinite(row->signals[i])) return false;
  return true;
}

static gm_status add_rows(calibration *k, size_t number, const gm_asked_phrases *phrases,
                          gm_present_mode mode, gm_ground_result *const *found,
                          float (*signals)[GM_SIGNALS], gm_error *err) {
  const gm_tune_picture *picture = &k->pictures.learned.all[number];
  rows *r = &k->rows[mode];
  for (size_t i = 0; i < phrases->n; i++) {
    gm_region best = {.struct_size = sizeof best};
    GM_TRY(room_for_row(r, err));
    GM_TRY(gm_ground_region_at(found[i], 0, &best));
    gm_fit_row *row = &r->all[r->n];
    *row = (gm_fit_row){.share = best.share,
                        .present = phrases->all[i].kind == GM_PHRASE_THERE,
                        .right = gm_asked_phrase_is(&phrases->all[i], picture, best.box),
                        .weight = phrases->all[i].kind == GM_PHRASE_PLACE ? PLACE_WEIGHT : 1};
    memcpy(row->signals, signals[i], sizeof row->signals);
    if (!is_usable(k, row)) continue;
    r->kinds[r->n] = phrases->all[i].kind;
    r->pictures[r->n++] = number;
    tell_row(k, picture, &phrases->all[i], mode, row);
  }
  return GM_OK;
}

/* Asks all phrases one way. texts [n], boxes, found, signals: room. */
static gm_status ask(calibration *k, gm_scene *scene, const gm_image *image,
                     const char *const *texts, size_t n, gm_present_mode mode,
                     gm_ground_result **found, gm_box *boxes, float (*signals)[GM_SIGNALS],
                     gm_error *err) {
  gm_ground_params params = gm_ground_params_default();
  params.all = mode == GM_PRESENT_ALL;
  params.min_present = -1;
  params.max_det = 1;
  GM_TRY(gm_ground(scene, texts, n, &params, k->callbacks, found, err));
  for (size_t i = 0; i < n; i++) {
    gm_region best = {.struct_size = sizeof best};
    GM_TRY(gm_ground_region_at(found[i], 0, &best));
    boxes[i] = best.box;
    memcpy(signals[i], gm_ground_signals(found[i]), sizeof signals[i]);
  }
  if (!k->clip) return GM_OK;
  return gm_present_look(k->clip, image, k->head->background, k->head->n_words, texts, boxes, n,
                         k->callbacks, signals, err);
}

static gm_status ask_both_ways(calibration *k, size_t number, gm_scene *scene,
                               const gm_image *image, const gm_asked_phrases *phrases,
                               gm_error *err) {
  size_t n = phrases->n;
  const char **texts = calloc(n + 1, sizeof *texts);
  gm_ground_result **found = calloc(n + 1, sizeof *found);
  gm_box *boxes = calloc(n + 1, sizeof *boxes);
  float(*signals)[GM_SIGNALS] = calloc(n + 1, sizeof *signals);
  gm_status status = texts && found && boxes && signals
                         ? GM_OK
                         : gm_fail_memory(err, "the phrases", n * sizeof *signals);
  for (size_t i = 0; status == GM_OK && i < n; i++) texts[i] = phrases->all[i].text;
  for (size_t mode = 0; mode < GM_PRESENT_MODES && status == GM_OK && n > 0; mode++) {
    status = ask(k, scene, image, texts, n, (gm_present_mode)mode, found, boxes, signals, err);
    if (status == GM_OK)
      status = add_rows(k, number, phrases, (gm_present_mode)mode, found, signals, err);
    for (size_t i = 0; i < n; i++) {
      gm_ground_result_free(found[i]);
      found[i] = NULL;
    }
  }
  free(texts);
  free(found);
  free(boxes);
  free(signals);
  return status;
}

static gm_status ask_picture(calibration *k, size_t number, gm_error *err) {
  const gm_tune_picture *picture = &k->pictures.learned.all[number];
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_asked_phrases phrases = {0};
  GM_TRY(gm_image_open(&image, picture->path, NULL, err));
  gm_status status = gm_scene_create(&scene, k->model, image, NULL, k->callbacks, err);
  if (status == GM_OK)
    status = gm_asked_phrases_add(&phrases, picture, gm_image_width(image),
                                  gm_image_height(image), &k->names, &k->rng, err);
  if (status == GM_OK) status = ask_both_ways(k, number, scene, image, &phrases, err);
  gm_asked_phrases_free(&phrases);
  gm_scene_free(scene);
  gm_image_free(image);
  return status;
}

/* A picture that cannot be read is told and left out. */
static gm_status ask_all(calibration *k, gm_error *err) {
  size_t n = k->pictures.learned.n, failed = 0;
  const double began = gm_now();
  gm_error why = {0};
  for (size_t i = 0; i < n; i++) {
    if (k->params->seconds > 0 && gm_now() - began > k->params->seconds) {
      if (i - failed >= LEAST_PICTURES) break;
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "the time was enough for %zu pictures, wanted %d or more", i - failed,
                     LEAST_PICTURES);
    }
    if (k->callbacks && k->callbacks->cancelled && k->callbacks->cancelled(k->callbacks->user))
      return gm_fail(err, GM_ERR_CANCELLED, "cancelled by the caller");
    gm_status status = ask_picture(k, i, &why);
    if (status == GM_ERR_CANCELLED || status == GM_ERR_MEMORY) {
      if (err) *err = why;
      return status;
    }
    failed += status != GM_OK;
    if (status != GM_OK && k->params->note)
      k->params->note(k->params->note_user, false, why.message);
    if (k->callbacks && k->callbacks->progress)
      k->callbacks->progress(k->callbacks->user, "asking", (double)(i + 1) / (double)n);
  }
  if (failed < n) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "none of %zu pictures could be used; the last: %s", n,
                 why.message);
}

/* ---- fitting ---- */

#define ALONE(name)                                                                            \
  { GM_SIGNAL_##name, GM_SIGNALS }
#define TIMES(a, b)                                                                            \
  { GM_SIGNAL_##a, GM_SIGNAL_##b }
static const gm_present_term terms[] = {
    ALONE(NAMED),        ALONE(BEST),           ALONE(MARGIN),     ALONE(ENTROPY),
    ALONE(REGIONS),      ALONE(OBJECT),         ALONE(WORDS),      TIMES(NAMED, WORDS),
    TIMES(NAMED, NAMED), ALONE(COSINE),         ALONE(LEAD),       TIMES(WORDS, COSINE),
    TIMES(WORDS, LEAD),  TIMES(COSINE, COSINE), TIMES(LEAD, LEAD), TIMES(COSINE, LEAD)};
enum { TERMS = sizeof terms / sizeof terms[0], CLIP_TERMS = 9 /* the first with a CLIP */ };

static size_t n_terms(bool clip) {
  return clip ? TERMS : CLIP_TERMS;
}

/* Each row's present and score by units that were fitted without its fold. */
static gm_status cross_validate(const rows *r, bool clip, double *present, double *score,
                                gm_error *err) {
  gm_fit_row *others = malloc((r->n + 1) * sizeof *others);
  if (!others) return gm_fail_memory(err, "the rows", r->n * sizeof *others);
  gm_status status = GM_OK;
  for (size_t fold = 0; fold < FOLDS && status == GM_OK; fold++) {
    gm_present_unit unit;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
      if (r->pictures[i] % FOLDS != fold) others[n++] = r->all[i];
    if (n == 0 && r->n > 0)
      status = gm_fail(err, GM_ERR_ARGUMENT,
                       "found too few pictures with phrases to measure a head on others than "
                       "it was fitted to, wanted 10 or more");
    else
      status = gm_fit_unit(&unit, others, n, terms, n_terms(clip), err);
    for (size_t i = 0; i < r->n && status == GM_OK; i++) {
      if (r->pictures[i] % FOLDS != fold) continue;
      float z = gm_present_logit(&unit, r->all[i].signals);
      present[i] = (double)gm_present_probability(z);
      score[i] = (double)gm_present_score(&unit, z, r->all[i].share);
    }
  }
  free(others);
  return status;
}

static void count_row(gm_calibrate_report *out, gm_phrase_kind kind, const gm_fit_row *row,
                      bool answered) {
  out->n_there += row->present;
  out->kept += row->right && answered;
  out->right += row->right;
  if (kind == GM_PHRASE_NOUN) {
    out->n_nouns++;
    out->refused_nouns += !answered;
  } else if (kind != GM_PHRASE_THERE) {
    out->n_hard++;
    out->refused_hard += !answered;
  }
}

static gm_status fill_report(const rows *r, const double *present, const double *score,
                             double *values, bool *truth, gm_calibrate_report *out,
                             gm_error *err) {
  size_t n = 0;
  for (size_t i = 0; i < r->n; i++) {
    truth[i] = r->all[i].present;
    count_row(out, r->kinds[i], &r->all[i], present[i] >= 0.5);
  }
  GM_TRY(gm_fit_auc(present, truth, r->n, &out->auc, err));
  for (size_t i = 0; i < r->n; i++) {
    if (present[i] < 0.5) continue;
    values[n] = score[i];
    truth[n++] = r->all[i].right;
  }
  out->n_answers = n;
  out->ece = gm_fit_ece(values, truth, n);
  return GM_OK;
}

static gm_status report(const rows *r, bool clip, gm_calibrate_report *out, gm_error *err) {
  size_t n = r->n + 1;
  double *room = malloc(3 * n * sizeof *room);
  bool *truth = malloc(n * sizeof *truth);
  gm_status status =
      room && truth ? GM_OK : gm_fail_memory(err, "the rows", 3 * n * sizeof *room);
  if (status == GM_OK) status = cross_validate(r, clip, room, room + n, err);
  if (status == GM_OK) status = fill_report(r, room, room + n, room + 2 * n, truth, out, err);
  free(room);
  free(truth);
  return status;
}

static double share_kept(const gm_calibrate_report *r) {
  return r->right ? (double)r->kept / (double)r->right : 0;
}

/* A unit that would refuse too much of what is there is not used: then nothing is refused. */
static gm_status fit_one(calibration *k, gm_present_mode mode, bool clip,
                         gm_calibrate_report *out, gm_error *err) {
  const rows *r = &k->rows[mode];
  gm_present_unit *unit = &k->head->units[mode][clip];
  *out = (gm_calibrate_report){.struct_size = sizeof *out};
  GM_TRY(report(r, clip, out, err));
  if (out->right > 0 && (double)out->kept >= LEAST_KEPT * (double)out->right)
    return gm_fit_unit(unit, r->all, r->n, terms, n_terms(clip), err);
  char line[160];
  snprintf(line, sizeof line,
           "%s, %s: left out, since it would keep only %.3f of the right boxes",
           mode == GM_PRESENT_ALL ? "all instances" : "one object",
           clip ? "with the CLIP" : "without a CLIP", share_kept(out));
  if (k->params->note) k->params->note(k->params->note_user, true, line);
  return GM_OK;
}

static gm_status fit(calibration *k, gm_calibrate_report *out, gm_error *err) {
  const gm_present_unit *one = k->head->units[GM_PRESENT_ONE];
  gm_calibrate_report other;
  bool clip = k->clip != NULL;
  for (size_t with = 0; with <= clip; with++) {
    GM_TRY(fit_one(k, GM_PRESENT_ALL, with == 1, &other, err));
    GM_TRY(fit_one(k, GM_PRESENT_ONE, with == 1, with == clip ? out : &other, err));
  }
  if (one[0].n || one[1].n) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "the answers of this model do not tell what is there: of the right boxes only "
                 "%.3f would be kept; nothing was written%s",
                 share_kept(out), clip ? "" : "; a CLIP that knows these things would help");
}

/* ---- the file ---- */

static gm_status write_adapter(const calibration *k, const char *path, gm_error *err) {
  char vocabulary[65], header[65];
  const gm_model_file *file = k->model->base.file;
  const gm_adapter_changes *changes = &k->model->base.adapted.changes;
  const gm_adapter *before = changes->n_adapters ? changes->adapters[0].adapter : NULL;
  GM_TRY(gm_adapter_tie(file, vocabulary, header, err));
  GM_TRY(gm_present_weights(file, k->head->weights, err));
  const char *name = k->params->name ? k->params->name : before ? before->head.name : NULL;
  const gm_adapter_head head = {.name = name,
                                .architecture = "groma",
                                .alpha = before ? before->head.alpha : 0,
                                .vocabulary = vocabulary,
                                .base = header,
                                .present = k->head};
  return gm_adapter_write(path, &head, before ? before->parts : NULL, before ? before->n : 0,
                          GM_TYPE_F32, err);
}

/* ---- the whole ---- */

static gm_status open_models(calibration *k, gm_error *err) {
  const gm_calibrate_params *p = k->params;
  const gm_adapter_use use = {.struct_size = sizeof use, .path = p->adapter};
  gm_model_params model = gm_model_params_default();
  model.threads = p->threads;
  model.adapters = p->adapter ? &use : NULL;
  model.n_adapters = p->adapter != NULL;
  GM_TRY(gm_model_open(&k->model, p->model, &model, err));
  if (!p->clip) return GM_OK;
  gm_clip_params clip = gm_clip_params_default();
  clip.engine = k->model->base.engine;
  return gm_clip_open(&k->clip, p->clip, &clip, err);
}

static gm_status run(calibration *k, const char *path, gm_calibrate_report *out,
                     gm_error *err) {
  const gm_tune_params pictures = {.struct_size = sizeof pictures,
                                   .learned = k->params->pictures,
                                   .n_learned = k->params->n_pictures};
  GM_TRY(gm_tune_pictures_read(&k->pictures, &pictures, err));
  GM_TRY(open_models(k, err));
  k->head = calloc(1, sizeof *k->head);
  if (!k->head) return gm_fail_memory(err, "the head", sizeof *k->head);
  GM_TRY(list_names(k, err));
  if (k->clip) GM_TRY(read_names(k, err));
  GM_TRY(ask_all(k, err));
  GM_TRY(fit(k, out, err));
  return write_adapter(k, path, err);
}

static void free_all(calibration *k) {
  for (size_t mode = 0; mode < GM_PRESENT_MODES; mode++) {
    free(k->rows[mode].all);
    free(k->rows[mode].kinds);
    free(k->rows[mode].pictures);
  }
  free(k->names.names);
  free(k->names.nouns);
  free(k->names.near);
  gm_present_head_free(k->head);
  gm_clip_free(k->clip);
  gm_model_free(k->model);
  gm_tune_pictures_free(&k->pictures);
}

gm_status gm_calibrate(const gm_calibrate_params *params, const char *path,
                       const gm_callbacks *callbacks, gm_calibrate_report *out, gm_error *err) {
  gm_calibrate_params own;
  gm_callbacks calls;
  gm_calibrate_report found = {.struct_size = sizeof found};
  GM_TRY(GM_STRUCT_READ(gm_calibrate_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  calibration k = {.params = &own, .callbacks = &calls};
  k.rng.state = gm_mix64(own.seed + 1);
  gm_status status = run(&k, path, &found, err);
  free_all(&k);
  if (status == GM_OK && out) status = GM_STRUCT_WRITE(gm_calibrate_report, out, &found, err);
  return status;
}
