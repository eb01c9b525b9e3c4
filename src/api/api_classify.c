/* api_classify.c - gm_view, gm_classify, gm_explain and gm_explain_against. */
#include "alignment.h"
#include "clip_handles.h"
#include "feature_keys.h"
#include "view.h"
#include "wca.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUND = 10 }; /* crops between two looks at the leader's lead */

static bool takes_crops(gm_method method) {
  return method == GM_METHOD_WCA || method == GM_METHOD_WCA_RELEASED;
}

/* ---- views ---- */

gm_view_params gm_view_params_default(gm_method method) {
  return (gm_view_params){.crops = takes_crops(method) ? 100 : 0,
                          .alpha = method == GM_METHOD_WCA_RELEASED ? 0.1f : 0.5f,
                          .beta = 0.9f};
}

gm_status gm_view_create(gm_view **out, gm_clip *clip, const gm_image *image,
                         const gm_view_params *params, gm_error *err) {
  *out = NULL;
  gm_view *view = calloc(1, sizeof *view);
  if (!view) return gm_fail_memory(err, "the view", sizeof *view);
  view->clip = clip;
  gm_status status = gm_view_place(view, image, params, err);
  if (status == GM_OK)
    *out = view;
  else
    gm_view_free(view);
  return status;
}

void gm_view_free(gm_view *view) {
  if (!view) return;
  free(view->crops);
  free(view->features);
  free(view);
}

/* ---- the picture's vector ---- */

gm_classify_params gm_classify_params_default(void) {
  return (gm_classify_params){.image_scale = 4, .draws = 60, .redraws = 20};
}

static gm_status check(const gm_view *view, const gm_classes *classes,
                       const gm_classify_params *p, gm_error *err) {
  double scale = exp((double)p->image_scale);
  if (takes_crops(classes->method) && view->n == 0)
    return gm_fail(err, GM_ERR_ARGUMENT, "method %s wants crops, and the view has none",
                   gm_method_name(classes->method));
  if (!isfinite(scale) || scale > 1e6 || p->draws - 1 >= 1 << 20 || p->redraws - 1 >= 1 << 16 ||
      !(p->stop >= 0 && p->stop <= 1))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found image_scale %g, draws %u, redraws %u, stop %g; wanted an exponent of "
                   "at most 13, 1 to 2^20 draws, 1 to 65536 redraws, a rate of 0 to 1",
                   (double)p->image_scale, p->draws, p->redraws, p->stop);
  if (p->stop > 0 && classes->method != GM_METHOD_WCA)
    return gm_fail(err, GM_ERR_ARGUMENT, "stop is for method wca, not for %s",
                   gm_method_name(classes->method));
  return GM_OK;
}

/* True where the features of the whole and all n crops are there, or were in the cache; key is
 * then theirs, or "" where the view has no cache. */
static bool have_all(gm_view *view, size_t n, char key[65]) {
  gm_clip *clip = view->clip;
  key[0] = 0;
  if (view->done > n) return true;
  if (!view->cache || !clip->cache || view->done > 0) return false;
  gm_feature_key_crops(key, gm_clip_maker(clip), view->image, view->crops, 1 + n);
  if (!gm_feature_cache_load(clip->cache, key, 1 + n, view->dim, view->features)) return false;
  view->done = 1 + n;
  return true;
}

/* Features of all crops: from the cache if the view may use it, else computed, and kept. */
static gm_status encode_all(gm_view *view, gm_compute *c, size_t n,
                            const gm_callbacks *callbacks) {
  char key[65];
  GM_TRY(gm_view_encode(view, c, view->clip->model, 0, callbacks)); /* makes room */
  if (have_all(view, n, key)) return GM_OK;
  GM_TRY(gm_view_encode(view, c, view->clip->model, 1 + n, callbacks));
  if (key[0]) gm_feature_cache_store(view->clip->cache, key, 1 + n, view->dim, view->features);
  return GM_OK;
}

/* Encodes round after round until the leader is certain; crops that an earlier run has seen
 * cost nothing. */
static gm_status look_in_rounds(gm_view *view, gm_compute *c, const gm_classes *classes,
                                const gm_wca_params *wca, double rate,
                                const gm_callbacks *callbacks, size_t *n) {
  size_t looks = (view->n + ROUND - 1) / ROUND;
  bool certain = false;
  char key[65];
  GM_TRY(gm_view_encode(view, c, view->clip->model, 0, callbacks)); /* makes room */
  (void)have_all(view, view->n, key);
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
  gm_wca_params wca = {expf(p->image_scale), p->draws, p->redraws};
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

/* check and look in the clip's turn. */
static gm_status look_in_turn(gm_view *view, const gm_classes *classes,
                              const gm_classify_params *p, const gm_callbacks *callbacks,
                              gm_wca_mix *mix, size_t *n, gm_error *err) {
  *mix = (gm_wca_mix){0};
  GM_TRY(gm_clip_check_classes(view->clip, classes, err));
  GM_TRY(check(view, classes, p, err));
  gm_compute *c = gm_clip_enter(view->clip, callbacks, err);
  return gm_clip_leave(view->clip, look(view, c, classes, p, callbacks, mix, n));
}

/* ---- classification ---- */

static int by_score(const void *a, const void *b) {
  const gm_label *x = a, *y = b;
  if (x->raw_score != y->raw_score) return x->raw_score > y->raw_score ? -1 : 1;
  return (x->class_index > y->class_index) - (x->class_index < y->class_index);
}

static gm_status rank(gm_classification *r, const gm_classes *classes, const float *vector,
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
    r->labels[i] = (gm_label){i, gm_classes_name(classes, i), shown[i], scores[i]};
  free(scores);
  qsort(r->labels, n, sizeof *r->labels, by_score);
  r->n_labels = top && top < n ? top : n;
  return GM_OK;
}

gm_status gm_classify(gm_view *view, const gm_classes *classes,
                      const gm_classify_params *params, const gm_callbacks *callbacks,
                      gm_classification **out, gm_error *err) {
  *out = NULL;
  gm_classify_params defaults = gm_classify_params_default();
  if (!params) params = &defaults;
  gm_wca_mix mix;
  gm_classification *r = calloc(1, sizeof *r);
  if (!r) return gm_fail_memory(err, "the scores", sizeof *r);
  gm_status status = look_in_turn(view, classes, params, callbacks, &mix, &r->n_crops, err);
  if (status == GM_OK)
    status =
        rank(r, classes, mix.vector, view->clip->model->hparams.logit_scale, params->top, err);
  free(mix.weights);
  if (status == GM_OK)
    *out = r;
  else
    gm_classification_free(r);
  return status;
}

void gm_classification_free(gm_classification *classification) {
  if (!classification) return;
  free(classification->labels);
  free(classification);
}

/* ---- explanation ---- */

static gm_box box_of(const gm_crop *c) {
  return (gm_box){(float)c->x, (float)c->y, (float)(c->x + c->width),
                  (float)(c->y + c->height)};
}

/* What was looked at, and of which class it is told. */
typedef struct explaining {
  const gm_view *view;
  const gm_classes *classes;
  gm_wca_mix mix;
  size_t n; /* crops; 0: the whole picture is the only one, row 0 of the features */
  size_t class_index, against;
} explaining;

#define NO_CLASS SIZE_MAX

static const float *vector_of(const gm_classes *classes, size_t class_index) {
  return classes->vectors + class_index * classes->dim;
}

static gm_status fill_crops(gm_explanation *e, const explaining *x, gm_error *err) {
  size_t D = x->view->dim, skip = x->n ? 1 : 0;
  const float *u = vector_of(x->classes, x->class_index);
  float *apart = calloc(D, sizeof *apart); /* how the classes' vectors differ */
  e->n_crops = x->n ? x->n : 1;
  e->crops = malloc(e->n_crops * sizeof *e->crops);
  if (!e->crops || !apart) {
    free(apart);
    return gm_fail_memory(err, "the explanation", e->n_crops * sizeof *e->crops);
  }
  for (size_t k = 0; k < D && e->against; k++)
    apart[k] = u[k] - vector_of(x->classes, x->against)[k];
  for (size_t i = 0; i < e->n_crops; i++) {
    const float *feature = x->view->features + (skip + i) * D;
    float scale = x->mix.scales[i];
    e->crops[i] =
        (gm_crop_share){box_of(&x->view->crops[skip + i]), x->mix.weights[i],
                        scale * gm_dot(feature, u, D), scale * gm_dot(feature, apart, D)};
  }
  free(apart);
  return GM_OK;
}

/* The descriptions of one class; those of the other have sign -1 in the lead. */
static gm_status fill_texts(gm_text_share **out, size_t *n, const explaining *x,
                            size_t class_index, double sign, double middle, gm_error *err) {
  const gm_class_texts *t = &x->classes->texts;
  size_t first = t->first[class_index];
  *n = t->first[class_index + 1] - first;
  *out = malloc(*n * sizeof **out);
  float *shares = malloc(*n * sizeof *shares);
  if (!*out || !shares) {
    free(shares);
    return gm_fail_memory(err, "the explanation", *n * sizeof **out);
  }
  gm_classes_shares(x->classes, class_index, x->mix.vector, shares);
  for (size_t k = 0; k < *n; k++) {
    float weight = x->classes->weights[first + k];
    (*out)[k] = (gm_text_share){t->texts[t->entries[first + k]], weight, shares[k],
                                (float)(sign * ((double)shares[k] - (double)weight * middle))};
  }
  free(shares);
  return GM_OK;
}

/* A description's share is nearly its weight times the score, whatever it says; what tells
 * classes apart is how far it is from that. So the parts in the lead are measured from the
 * middle of the two scores: weights add up to 1, and each class's parts to half of the lead. */
static gm_status fill(gm_explanation *e, const explaining *x, gm_error *err) {
  double middle = 0, sign = 0;
  size_t D = x->view->dim;
  e->raw_score = gm_dot(x->mix.vector, vector_of(x->classes, x->class_index), D);
  if (x->against != NO_CLASS) {
    e->against = gm_classes_name(x->classes, x->against);
    e->against_raw_score = gm_dot(x->mix.vector, vector_of(x->classes, x->against), D);
    e->lead = e->raw_score - e->against_raw_score;
    middle = ((double)e->raw_score + (double)e->against_raw_score) / 2;
    sign = 1;
  }
  GM_TRY(fill_crops(e, x, err));
  GM_TRY(fill_texts(&e->texts, &e->n_texts, x, x->class_index, sign, middle, err));
  if (!e->against) return GM_OK;
  return fill_texts(&e->against_texts, &e->n_against_texts, x, x->against, -sign, middle, err);
}

static gm_status explain(gm_view *view, const gm_classes *classes, size_t class_index,
                         size_t against, const gm_classify_params *params,
                         const gm_callbacks *callbacks, gm_explanation **out, gm_error *err) {
  explaining x = {
      .view = view, .classes = classes, .class_index = class_index, .against = against};
  gm_classify_params defaults = gm_classify_params_default();
  if (!params) params = &defaults;
  gm_explanation *e = calloc(1, sizeof *e);
  if (!e) return gm_fail_memory(err, "the explanation", sizeof *e);
  gm_status status = look_in_turn(view, classes, params, callbacks, &x.mix, &x.n, err);
  if (status == GM_OK) status = fill(e, &x, err);
  free(x.mix.weights);
  if (status == GM_OK)
    *out = e;
  else
    gm_explanation_free(e);
  return status;
}

static gm_status check_class(const gm_classes *classes, size_t class_index, gm_error *err) {
  if (class_index < gm_classes_count(classes)) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "found class number %zu, wanted one below %zu",
                 class_index, gm_classes_count(classes));
}

gm_status gm_explain(gm_view *view, const gm_classes *classes, size_t class_index,
                     const gm_classify_params *params, const gm_callbacks *callbacks,
                     gm_explanation **out, gm_error *err) {
  *out = NULL;
  GM_TRY(check_class(classes, class_index, err));
  return explain(view, classes, class_index, NO_CLASS, params, callbacks, out, err);
}

gm_status gm_explain_against(gm_view *view, const gm_classes *classes, size_t class_index,
                             size_t against, const gm_classify_params *params,
                             const gm_callbacks *callbacks, gm_explanation **out,
                             gm_error *err) {
  *out = NULL;
  GM_TRY(check_class(classes, class_index, err));
  GM_TRY(check_class(classes, against, err));
  if (class_index == against)
    return gm_fail(err, GM_ERR_ARGUMENT, "found class number %zu twice, wanted two classes",
                   against);
  return explain(view, classes, class_index, against, params, callbacks, out, err);
}

void gm_explanation_free(gm_explanation *explanation) {
  if (!explanation) return;
  free(explanation->crops);
  free(explanation->texts);
  free(explanation->against_texts);
  free(explanation);
}
