/* api_classify.c - gm_view and gm_classify. */
#include "alignment.h"
#include "feature_keys.h"
#include "label_look.h"
#include "look.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUND = 10 }; /* crops between two looks at the leader's lead */

static bool takes_crops(gm_method method) {
  return method == GM_METHOD_WCA || method == GM_METHOD_WCA_RELEASED;
}

/* ---- views ---- */

gm_status gm_view_make(gm_view **out, gm_clip *clip, const gm_image *image,
                       const gm_view_params *params, const gm_view_defaults *defaults,
                       gm_error *err) {
  gm_view_params own = *params;
  if (own.crops == 0 && takes_crops(own.method)) own.crops = defaults->crops;
  if (own.crops == GM_NONE) own.crops = 0;
  if (own.alpha == 0) own.alpha = defaults->alpha;
  if (own.beta == 0) own.beta = defaults->beta;
  if (own.dedup < 0) own.dedup = 0;
  gm_view *view = calloc(1, sizeof *view);
  if (!view) return gm_fail_memory(err, "the view", sizeof *view);
  view->clip = clip;
  gm_status status = gm_view_place(view, image, &own, err);
  if (status == GM_OK)
    *out = view;
  else
    gm_view_free(view);
  return status;
}

gm_status gm_view_create(gm_view **out, gm_clip *clip, const gm_image *image,
                         const gm_view_params *params, gm_error *err) {
  *out = NULL;
  gm_view_params own;
  GM_TRY(GM_STRUCT_READ(gm_view_params, &own, params, err));
  if ((unsigned)own.method >= GM_METHODS)
    return gm_fail(err, GM_ERR_ARGUMENT, "found method number %d, wanted one of gm_method",
                   (int)own.method);
  bool released = own.method == GM_METHOD_WCA_RELEASED;
  gm_view_defaults paper = {.crops = 100, .alpha = released ? 0.1f : 0.5f, .beta = 0.9f};
  return gm_view_make(out, clip, image, &own, &paper, err);
}

/* ---- the picture's vector ---- */

gm_status gm_classify_params_read(gm_classify_params *own, const gm_classify_params *given,
                                  gm_error *err) {
  GM_TRY(GM_STRUCT_READ(gm_classify_params, own, given, err));
  if (own->image_scale == 0) own->image_scale = 4;
  if (own->draws == 0) own->draws = 60;
  if (own->redraws == 0) own->redraws = 20;
  if (own->stop < 0) own->stop = 0;
  return GM_OK;
}

static gm_status check(const gm_view *view, const gm_classes *classes,
                       const gm_classify_params *p, gm_error *err) {
  double scale = gm_alignment_scale(p->image_scale);
  if (takes_crops(classes->method) && view->n == 0)
    return gm_fail(err, GM_ERR_ARGUMENT, "method %s wants crops, and the view has none",
                   gm_method_name(classes->method));
  if (!isfinite(scale) || scale > 1e6 || p->draws > 1 << 20 || p->redraws > 1 << 16 ||
      !(p->stop <= 1))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found image_scale %g, draws %u, redraws %u, stop %g; wanted an exponent of "
                   "at most 13, 1 to 2^20 draws, 1 to 65536 redraws, a rate of at most 1",
                   (double)p->image_scale, p->draws, p->redraws, p->stop);
  if (p->stop > 0 && classes->method != GM_METHOD_WCA)
    return gm_fail(err, GM_ERR_ARGUMENT, "stop is for method wca, not for %s",
                   gm_method_name(classes->method));
  return GM_OK;
}

/* *found: the features of the whole and all n crops are there, or were in the cache. key is
 * theirs, or "" where the view has no cache. GM_ERR_CANCELLED. */
static gm_status find_all(gm_view *view, size_t n, char key[65], bool *found,
                          const gm_callbacks *callbacks, gm_error *err) {
  gm_clip *clip = view->clip;
  const char *maker;
  key[0] = 0;
  *found = view->done > n;
  if (*found || !view->cache || !clip->base.dir || view->done > 0) return GM_OK;
  GM_TRY(gm_clip_maker(clip, &maker, callbacks, err));
  gm_feature_key_crops(key, maker, view->image, view->crops, 1 + n);
  *found = gm_feature_cache_load(clip->base.dir, key, 1 + n, view->dim, view->features);
  if (*found) view->done = 1 + n;
  return GM_OK;
}

/* Features of all crops: from the cache if the view may use it, else computed, and kept. */
static gm_status encode_all(gm_view *view, gm_compute *c, size_t n,
                            const gm_callbacks *callbacks) {
  char key[65];
  bool found;
  GM_TRY(gm_view_encode(view, c, view->clip->model, 0, callbacks)); /* makes room */
  GM_TRY(find_all(view, n, key, &found, callbacks, c->err));
  if (found) return GM_OK;
  GM_TRY(gm_view_encode(view, c, view->clip->model, 1 + n, callbacks));
  if (key[0])
    gm_feature_cache_store(view->clip->base.dir, key, 1 + n, view->dim, view->features);
  return GM_OK;
}

/* Encodes round after round until the leader is certain; crops that an earlier run has seen
 * cost nothing. */
static gm_status look_in_rounds(gm_view *view, gm_compute *c, const gm_classes *classes,
                                const gm_wca_params *wca, double rate,
                                const gm_callbacks *callbacks, size_t *n) {
  size_t looks = (view->n + ROUND - 1) / ROUND;
  bool certain = false, found;
  char key[65];
  GM_TRY(gm_view_encode(view, c, view->clip->model, 0, callbacks)); /* makes room */
  GM_TRY(find_all(view, view->n, key, &found, callbacks, c->err));
  for (*n = 0; !certain && *n < view->n;) {
    *n = view->n - *n < ROUND ? view->n : *n + ROUND;
    GM_TRY(gm_view_encode(view, c, view->clip->model, 1 + *n, callbacks));
    GM_TRY(gm_wca_certain(classes, view->features, view->features + view->dim, *n, view->n,
                          looks, rate, wca, &certain, c->err));
  }
  return GM_OK;
}

/* *n crops and what the method makes of them; without crops the whole picture is the only one.
 * The mix is freed by free(mix->weights). */
static gm_status look(gm_view *view, gm_compute *c, const gm_classes *classes,
                      const gm_classify_params *p, const gm_callbacks *callbacks,
                      gm_wca_mix *mix, size_t *n) {
  gm_wca_params wca = {
      .scale = p->image_scale < 0 ? 0 : expf(p->image_scale),
      .draws = p->draws,
      .redraws = p->redraws,
  };
  bool crops = takes_crops(classes->method);
  *n = crops ? view->n : 0;
  if (p->stop > 0)
    GM_TRY(look_in_rounds(view, c, classes, &wca, p->stop, callbacks, n));
  else
    GM_TRY(encode_all(view, c, *n, callbacks));
  size_t D = view->dim, room = *n ? *n : 1;
  mix->weights = malloc((2 * room + D) * sizeof *mix->weights);
  if (!mix->weights) return gm_fail_memory(c->err, "the weights", (2 * room + D) * 4);
  mix->scales = mix->weights + room;
  mix->vector = mix->scales + room;
  const float *whole = view->features, *parts = view->features + D;
  if (!crops) {
    mix->weights[0] = mix->scales[0] = 1;
    memcpy(mix->vector, whole, D * sizeof *whole);
  } else if (classes->method == GM_METHOD_WCA) {
    gm_wca_paper(mix, whole, parts, *n, D, &wca);
  } else {
    gm_rng rng = gm_crops_rng(view->image, &view->crops[0], p->seed, "redraws");
    return gm_wca_released(mix, whole, parts, *n, D, &wca, &rng, c->err);
  }
  return GM_OK;
}

gm_status gm_look(gm_view *view, const gm_classes *classes, const gm_classify_params *p,
                  const gm_callbacks *callbacks, gm_wca_mix *mix, size_t *n, gm_error *err) {
  *mix = (gm_wca_mix){0};
  GM_TRY(gm_clip_check_classes(view->clip, classes, callbacks, err));
  GM_TRY(check(view, classes, p, err));
  gm_entry entry;
  GM_TRY(gm_clip_enter(view->clip, &entry, callbacks, err));
  return gm_engine_leave(&entry, look(view, entry.c, classes, p, entry.callbacks, mix, n));
}

/* ---- classification ---- */

/* A classification and what it has. */
typedef struct labels {
  gm_classification base; /* first: this is what callers have */
  gm_label *labels;       /* all classes, falling score */
} labels;

static int by_score(const void *a, const void *b) {
  const gm_label *x = a, *y = b;
  if (x->raw_score != y->raw_score) return x->raw_score > y->raw_score ? -1 : 1;
  return (x->class_index > y->class_index) - (x->class_index < y->class_index);
}

static gm_status rank(labels *r, const gm_classes *classes, const float *vector,
                      float logit_scale, size_t top, gm_error *err) {
  size_t n = gm_classes_count(classes);
  r->labels = malloc(n * sizeof *r->labels);
  float *scores = malloc(2 * n * sizeof *scores), *shown = scores + n;
  if (!r->labels || !scores) {
    free(scores);
    return gm_fail_memory(err, "the scores", n * sizeof *r->labels);
  }
  gm_classes_scores(classes, vector, scores);
  memcpy(shown, scores, n * sizeof *shown);
  gm_alignment_probabilities(shown, n, logit_scale);
  for (size_t i = 0; i < n; i++)
    r->labels[i] = (gm_label){.class_index = i,
                              .name = gm_classes_name(classes, i),
                              .score = shown[i],
                              .raw_score = scores[i]};
  free(scores);
  qsort(r->labels, n, sizeof *r->labels, by_score);
  r->base.n_labels = top && top < n ? top : n;
  return GM_OK;
}

gm_status gm_classify(gm_view *view, const gm_classes *classes,
                      const gm_classify_params *params, const gm_callbacks *callbacks,
                      gm_classification **out, gm_error *err) {
  *out = NULL;
  gm_classify_params own;
  gm_callbacks calls;
  GM_TRY(gm_classify_params_read(&own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  gm_wca_mix mix;
  labels *r = calloc(1, sizeof *r);
  if (!r) return gm_fail_memory(err, "the scores", sizeof *r);
  r->base.struct_size = sizeof r->base;
  gm_status status = gm_look(view, classes, &own, &calls, &mix, &r->base.n_crops, err);
  if (status == GM_OK)
    status = rank(r, classes, mix.vector, view->clip->model->hparams.logit_scale, own.top, err);
  if (status == GM_OK) r->base.present = r->labels[0].score;
  free(mix.weights);
  if (status == GM_OK)
    *out = &r->base;
  else
    gm_classification_free(&r->base);
  return status;
}

void gm_classification_raw(const gm_classification *classification, size_t n_classes,
                           float *raw) {
  const labels *r = (const labels *)classification;
  for (size_t i = 0; i < n_classes; i++) raw[r->labels[i].class_index] = r->labels[i].raw_score;
}

gm_status gm_label_at(const gm_classification *classification, size_t i, gm_label *out) {
  const labels *r = (const labels *)classification;
  return GM_STRUCT_WRITE_AT(gm_label, out, r->labels, i, r->base.n_labels);
}

void gm_classification_free(gm_classification *classification) {
  if (!classification) return;
  free(((labels *)classification)->labels);
  free(classification);
}
