/* api_explain.c - gm_explain and gm_explain_against: what made up a score. */
#include "alignment.h"
#include "look.h"
#include "shares.h"

#include <stdlib.h>

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

static gm_status fill_crops(gm_shares *s, const explaining *x, gm_error *err) {
  size_t D = x->view->dim, skip = x->n ? 1 : 0;
  const float *u = vector_of(x->classes, x->class_index);
  float *apart = calloc(D, sizeof *apart); /* how the classes' vectors differ */
  size_t n = s->base.n_crops = x->n ? x->n : 1;
  s->crops = malloc(n * sizeof *s->crops);
  if (!s->crops || !apart) {
    free(apart);
    return gm_fail_memory(err, "the explanation", n * sizeof *s->crops);
  }
  for (size_t k = 0; k < D && s->base.against; k++)
    apart[k] = u[k] - vector_of(x->classes, x->against)[k];
  for (size_t i = 0; i < n; i++) {
    const float *feature = x->view->features + (skip + i) * D;
    float scale = x->mix.scales[i];
    s->crops[i] = (gm_crop_share){.box = box_of(&x->view->crops[skip + i]),
                                  .weight = x->mix.weights[i],
                                  .share = scale * gm_dot(feature, u, D),
                                  .lead = scale * gm_dot(feature, apart, D)};
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
  float *parts = malloc(*n * sizeof *parts);
  if (!*out || !parts) {
    free(parts);
    return gm_fail_memory(err, "the explanation", *n * sizeof **out);
  }
  gm_classes_shares(x->classes, class_index, x->mix.vector, parts);
  for (size_t k = 0; k < *n; k++) {
    float weight = x->classes->weights[first + k];
    (*out)[k] = (gm_text_share){
        .text = t->texts[t->entries[first + k]],
        .weight = weight,
        .share = parts[k],
        .lead = (float)(sign * ((double)parts[k] - (double)weight * middle)),
    };
  }
  free(parts);
  return GM_OK;
}

/* A description's share is nearly its weight times the score, whatever it says; what tells
 * classes apart is how far it is from that. So the parts in the lead are measured from the
 * middle of the two scores: weights add up to 1, and each class's parts to half of the lead. */
static gm_status fill(gm_shares *s, const explaining *x, gm_error *err) {
  gm_explanation *e = &s->base;
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
  GM_TRY(fill_crops(s, x, err));
  GM_TRY(fill_texts(&s->texts, &e->n_texts, x, x->class_index, sign, middle, err));
  if (!e->against) return GM_OK;
  return fill_texts(&s->against_texts, &e->n_against_texts, x, x->against, -sign, middle, err);
}

static gm_status explain(gm_view *view, const gm_classes *classes, size_t class_index,
                         size_t against, const gm_classify_params *params,
                         const gm_callbacks *callbacks, gm_explanation **out, gm_error *err) {
  explaining x = {
      .view = view, .classes = classes, .class_index = class_index, .against = against};
  gm_classify_params own;
  gm_callbacks calls;
  GM_TRY(gm_classify_params_read(&own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  gm_shares *s = calloc(1, sizeof *s);
  if (!s) return gm_fail_memory(err, "the explanation", sizeof *s);
  s->base.struct_size = sizeof s->base;
  gm_status status = gm_look(view, classes, &own, &calls, &x.mix, &x.n, err);
  if (status == GM_OK) status = fill(s, &x, err);
  free(x.mix.weights);
  if (status == GM_OK)
    *out = &s->base;
  else
    gm_explanation_free(&s->base);
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

gm_status gm_crop_share_at(const gm_explanation *explanation, size_t i, gm_crop_share *out) {
  const gm_shares *s = (const gm_shares *)explanation;
  return GM_STRUCT_WRITE_AT(gm_crop_share, out, s->crops, i, s->base.n_crops);
}

gm_status gm_text_share_at(const gm_explanation *explanation, size_t i, gm_text_share *out) {
  const gm_shares *s = (const gm_shares *)explanation;
  return GM_STRUCT_WRITE_AT(gm_text_share, out, s->texts, i, s->base.n_texts);
}

gm_status gm_against_text_share_at(const gm_explanation *explanation, size_t i,
                                   gm_text_share *out) {
  const gm_shares *s = (const gm_shares *)explanation;
  return GM_STRUCT_WRITE_AT(gm_text_share, out, s->against_texts, i, s->base.n_against_texts);
}

void gm_explanation_free(gm_explanation *explanation) {
  if (!explanation) return;
  gm_shares *s = (gm_shares *)explanation;
  free(s->crops);
  free(s->texts);
  free(s->against_texts);
  free(s);
}
