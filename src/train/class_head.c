/* class_head.c - see class_head.h. */
#include "class_head.h"

#include "rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

gm_status gm_class_head_add(gm_class_head *h, gm_params *params, const char *name, size_t n,
                            size_t dim, gm_error *err) {
  char full[128];
  size_t shape[2] = {n, dim};
  float *w, *bias, *values = calloc(n * dim, sizeof *values);
  *h = (gm_class_head){.n = n, .dim = dim};
  h->ones = malloc(dim * sizeof *h->ones);
  h->zeros = calloc(dim, sizeof *h->zeros);
  if (!values || !h->ones || !h->zeros) {
    free(values);
    return gm_fail_memory(err, "a head", n * dim * sizeof *values);
  }
  gm_rng rng = {gm_fnv1a(name, strlen(name))};
  double bound = 1 / sqrt((double)dim);
  for (size_t i = 0; i < n * dim; i++) values[i] = (float)(bound * (2 * gm_rng_unit(&rng) - 1));
  for (size_t i = 0; i < dim; i++) h->ones[i] = 1;
  snprintf(full, sizeof full, "%s.weight", name);
  gm_status status = gm_params_add(params, full, "heads", 2, shape, values, &w, err);
  free(values);
  GM_TRY(status);
  snprintf(full, sizeof full, "%s.bias", name);
  GM_TRY(gm_params_add(params, full, "heads", 1, shape, NULL, &bias, err));
  h->bias = bias;
  h->w = (gm_tensor){.type = GM_TYPE_F32,
                     .n_dims = 2,
                     .shape = {n, dim, 1, 1},
                     .row_bytes = dim * sizeof(float),
                     .data = w};
  return GM_OK;
}

void gm_class_head_free(gm_class_head *h) {
  free(h->ones);
  free(h->zeros);
  *h = (gm_class_head){0};
}

static size_t count_right(const float *logits, size_t rows, size_t n, const int32_t *targets) {
  size_t right = 0;
  for (size_t i = 0; i < rows; i++) {
    size_t best = 0;
    const float *l = logits + i * n;
    for (size_t k = 1; k < n; k++)
      if (l[k] > l[best]) best = k;
    right += targets[i] >= 0 && (size_t)targets[i] == best;
  }
  return right;
}

static gm_status classify(const gm_training *t, const gm_class_head *h, const float *x,
                          size_t rows, const int32_t *targets, double weight, float *d,
                          double *loss, size_t *right) {
  gm_compute *c = t->c;
  float *y = gm_scratch_f32(c, rows * h->dim, "a head"),
        *stats = gm_scratch_f32(c, 2 * rows, "a head"),
        *logits = gm_scratch_f32(c, rows * h->n, "logits"),
        *dy = gm_scratch_f32(c, rows * h->dim, "a head");
  if (!y || !stats || !logits || !dy) return GM_ERR_MEMORY;
  size_t count = 0;
  for (size_t i = 0; i < rows; i++) count += targets[i] >= 0;
  gm_layer_norm_train(t, y, x, stats, rows, h->dim, h->ones, h->zeros, 1e-6f);
  GM_TRY(gm_linear_train(t, &h->w, h->bias, y, h->dim, rows, logits, h->n));
  *right = count_right(logits, rows, h->n, targets);
  gm_cross_entropy(t, logits, h->n, rows, h->n, targets, (double)(count ? count : 1), loss);
  if (!d) return GM_OK;
  for (size_t i = 0; i < rows * h->n; i++) logits[i] *= (float)weight;
  GM_TRY(gm_linear_back(t, &h->w, h->bias, y, h->dim, logits, h->n, rows, dy, h->dim, false));
  return gm_layer_norm_back(t, d, true, x, stats, dy, rows, h->dim, h->ones, h->zeros);
}

gm_status gm_class_head_classify(const gm_training *t, const gm_class_head *h, const float *x,
                                 size_t rows, const int32_t *targets, double weight, float *d,
                                 double *loss, size_t *right) {
  *loss = 0;
  *right = 0;
  if (rows == 0) return GM_OK;
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = classify(t, h, x, rows, targets, weight, d, loss, right);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
