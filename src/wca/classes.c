/* classes.c - see classes.h. */
#include "classes.h"

#include "alignment.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

gm_status gm_classes_begin(gm_classes **out, const gm_classes_params *params,
                           gm_class_texts *texts, size_t dim, gm_error *err) {
  *out = NULL;
  gm_classes *c = calloc(1, sizeof *c);
  if (!c) return gm_fail_memory(err, "the classes", sizeof *c);
  assert(texts->n_classes > 0 && dim > 0);
  c->method = params->method;
  c->dim = dim;
  c->features = malloc((texts->n_texts + 1) * dim * sizeof *c->features);
  c->weights = malloc((texts->n_entries + 1) * sizeof *c->weights);
  c->scales = malloc(texts->n_classes * sizeof *c->scales);
  c->vectors = malloc(texts->n_classes * dim * sizeof *c->vectors);
  if (!c->features || !c->weights || !c->scales || !c->vectors) {
    gm_classes_free(c);
    return gm_fail_memory(err, "the classes",
                          (texts->n_texts + texts->n_classes) * dim * sizeof *c->features);
  }
  c->texts = *texts;
  *texts = (gm_class_texts){0};
  *out = c;
  return GM_OK;
}

void gm_classes_free(gm_classes *classes) {
  if (!classes) return;
  gm_class_texts_free(&classes->texts);
  free(classes->features);
  free(classes->weights);
  free(classes->scales);
  free(classes->vectors);
  free(classes);
}

static const float *feature(const gm_classes *c, uint32_t text) {
  assert(text < c->texts.n_texts);
  return c->features + (size_t)text * c->dim;
}

/* Keeps the entries of each class whose similarity to all entries kept before is at most the
 * limit. Repeats are dropped too. */
static void drop_alike(gm_classes *c, double limit) {
  gm_class_texts *t = &c->texts;
  uint32_t kept = 0, begin = 0;
  for (size_t i = 0; i < t->n_classes; i++) {
    uint32_t end = t->first[i + 1], own = kept;
    for (uint32_t e = begin; e < end; e++) {
      bool unlike = true;
      for (uint32_t k = own; unlike && k < kept; k++)
        unlike = (double)gm_dot(feature(c, t->entries[e]), feature(c, t->entries[k]), c->dim) <=
                 limit;
      if (unlike) t->entries[kept++] = t->entries[e];
    }
    assert(kept > own && kept <= end); /* the first entry always stays */
    begin = end;
    t->first[i + 1] = kept;
  }
  t->n_entries = kept;
}

static void mix_class(gm_classes *c, size_t i, float scale) {
  const gm_class_texts *t = &c->texts;
  const uint32_t *entries = t->entries + t->first[i];
  size_t n = t->first[i + 1] - t->first[i];
  float *weights = c->weights + t->first[i], *u = c->vectors + i * c->dim;
  assert(n > 0);
  bool aligned = c->method == GM_METHOD_WCA || c->method == GM_METHOD_WCA_RELEASED;
  if (aligned)
    gm_alignment_weights_of(weights, feature(c, t->labels[i]), c->features, entries, n, c->dim,
                            scale);
  else
    for (size_t k = 0; k < n; k++) weights[k] = 1.0f / (float)n;
  gm_alignment_mix(u, weights, c->features, entries, n, c->dim);
  double length = sqrt((double)gm_dot(u, u, c->dim));
  c->scales[i] = c->method == GM_METHOD_WCA || !(length > 0) ? 1 : (float)(1 / length);
  for (size_t k = 0; k < c->dim; k++) u[k] *= c->scales[i];
}

gm_status gm_classes_finish(gm_classes *classes, const gm_classes_params *params,
                            gm_error *err) {
  double scale = gm_alignment_scale(params->text_scale);
  if (!isfinite(scale) || scale > 1e6 || !(params->dedup <= 1))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found text_scale %g and dedup %g, wanted an exponent of at most 13 and a "
                   "cosine of at most 1",
                   (double)params->text_scale, (double)params->dedup);
  if (params->dedup > 0) drop_alike(classes, (double)params->dedup);
  for (size_t i = 0; i < classes->texts.n_classes; i++) mix_class(classes, i, (float)scale);
  return GM_OK;
}

void gm_classes_scores(const gm_classes *classes, const float *image, float *scores) {
  for (size_t i = 0; i < classes->texts.n_classes; i++)
    scores[i] = gm_dot(image, classes->vectors + i * classes->dim, classes->dim);
}

void gm_classes_shares(const gm_classes *classes, size_t i, const float *image, float *shares) {
  const gm_class_texts *t = &classes->texts;
  for (uint32_t e = t->first[i]; e < t->first[i + 1]; e++)
    *shares++ = classes->scales[i] * classes->weights[e] *
                gm_dot(image, feature(classes, t->entries[e]), classes->dim);
}

size_t gm_classes_count(const gm_classes *classes) {
  return classes->texts.n_classes;
}

const char *gm_classes_name(const gm_classes *classes, size_t i) {
  return i < classes->texts.n_classes ? classes->texts.names[i] : NULL;
}
