/* sampler.c - see sampler.h. */
#include "sampler.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

gm_status gm_sampler_init(gm_sampler *sampler, const gm_sampling *params, uint64_t stream,
                          size_t vocab, gm_error *err) {
  *sampler = (gm_sampler){.params = *params, .vocab = vocab};
  if (!(params->temperature >= 0) || !isfinite(params->temperature))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found temperature %g, wanted a number of at least 0 (0: greedy)",
                   (double)params->temperature);
  if (!(params->top_p >= 0 && params->top_p <= 1))
    return gm_fail(err, GM_ERR_ARGUMENT, "found top-p %g, wanted 0 to 1 (0 and 1: all)",
                   (double)params->top_p);
  sampler->rng.state = gm_mix64(params->seed) + gm_mix64(stream + 1);
  if (params->temperature == 0) return GM_OK;
  sampler->items = malloc(vocab * sizeof *sampler->items);
  if (!sampler->items)
    return gm_fail_memory(err, "the sampler", vocab * sizeof *sampler->items);
  return GM_OK;
}

void gm_sampler_clear(gm_sampler *sampler) {
  free(sampler->items);
  sampler->items = NULL;
}

size_t gm_argmax(const float *x, size_t n) {
  size_t best = 0;
  assert(n > 0);
  for (size_t i = 1; i < n; i++)
    if (x[i] > x[best] || (isnan(x[best]) && !isnan(x[i]))) best = i;
  return best;
}

/* Falling value; equal ones by id, so that the order is the same everywhere. */
static int by_value(const void *a, const void *b) {
  const gm_sampler_item *x = a, *y = b;
  if (x->value != y->value) return x->value > y->value ? -1 : 1;
  return (x->id > y->id) - (x->id < y->id);
}

/* Leaves out what top_k and top_p leave out of items[n] and returns how many stay. */
static size_t warp(const gm_sampler *sampler, size_t n) {
  gm_sampler_item *items = sampler->items;
  const gm_sampling *params = &sampler->params;
  bool by_mass = params->top_p > 0 && params->top_p < 1;
  bool by_count = params->top_k > 0 && params->top_k < n;
  if (by_count || by_mass) qsort(items, n, sizeof *items, by_value);
  if (by_count) n = params->top_k;
  if (!by_mass) return n;
  double total = 0, mass = 0;
  for (size_t i = 0; i < n; i++) total += (double)items[i].value;
  for (size_t i = 0; i < n; i++) {
    mass += (double)items[i].value;
    if (mass >= (double)params->top_p * total) return i + 1;
  }
  return n;
}

/* Weights relative to the largest: exp((logit - largest) / temperature), at most 1. */
int32_t gm_sample(gm_sampler *sampler, const float *logits) {
  size_t n = sampler->vocab, best = gm_argmax(logits, n);
  if (!sampler->items || !isfinite(logits[best])) return (int32_t)best;
  gm_sampler_item *items = sampler->items;
  for (size_t i = 0; i < n; i++) {
    float below = (logits[i] - logits[best]) / sampler->params.temperature;
    items[i] = (gm_sampler_item){isnan(below) ? 0 : expf(below), (int32_t)i};
  }
  n = warp(sampler, n);
  assert(n > 0 && n <= sampler->vocab);
  double total = 0;
  for (size_t i = 0; i < n; i++) total += (double)items[i].value;
  double draw = gm_rng_unit(&sampler->rng) * total;
  for (size_t i = 0; i < n; i++) {
    draw -= (double)items[i].value;
    if (draw < 0) return items[i].id;
  }
  return (int32_t)best; /* rounding left the draw at the very end */
}

void gm_softmax_among(float *probability, const float *logits, const int32_t *ids, size_t n) {
  float largest = -INFINITY;
  for (size_t i = 0; i < n; i++) largest = fmaxf(largest, logits[ids[i]]);
  double total = 0;
  for (size_t i = 0; i < n; i++) {
    probability[i] = expf(logits[ids[i]] - largest);
    total += (double)probability[i];
  }
  for (size_t i = 0; i < n; i++) probability[i] = (float)((double)probability[i] / total);
}
