/* optimiser.c - see optimiser.h. */
#include "optimiser.h"

#include "kernels.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

enum { LANES = 8 }; /* partial sums of a piece */

gm_optimiser_options gm_optimiser_defaults(void) {
  return (gm_optimiser_options){
      .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1, .most_skipped = 10};
}

double gm_lr_factor(uint64_t s, uint64_t W, uint64_t T) {
  if (s < W) return (double)s / (double)W;
  if (s >= T) return 0;
  return (1 + cos(PI * (double)(s - W) / (double)(T - W))) / 2;
}

/* ---- the gradient's norm ---- */

typedef struct squares {
  const gm_params *params;
  double *sums; /* [n_pieces] */
} squares;

static void sum_squares(void *arg, size_t task, size_t worker) {
  const squares *s = arg;
  const gm_param_piece *piece = &s->params->pieces[task];
  const gm_param *p = &s->params->all[piece->param];
  const float *g = p->gradient + piece->begin;
  double lanes[LANES] = {0}, sum = 0;
  size_t i = 0;
  (void)worker;
  if (p->learned->reached) {
    for (; i + LANES <= piece->n; i += LANES)
      for (size_t k = 0; k < LANES; k++) lanes[k] += (double)g[i + k] * (double)g[i + k];
    for (; i < piece->n; i++) lanes[0] += (double)g[i] * (double)g[i];
  }
  for (size_t k = 0; k < LANES; k++) sum += lanes[k];
  s->sums[task] = sum;
}

/* Of all reached gradients. Pieces are added in their order. */
static gm_status norm_of(const gm_params *params, gm_pool *pool, double *norm, gm_error *err) {
  squares s = {params, malloc((params->n_pieces + 1) * sizeof *s.sums)};
  if (!s.sums)
    return gm_fail_memory(err, "the gradient's norm", params->n_pieces * sizeof *s.sums);
  gm_pool_run(pool, sum_squares, &s, params->n_pieces);
  double sum = 0;
  for (size_t i = 0; i < params->n_pieces; i++) sum += s.sums[i];
  free(s.sums);
  *norm = sqrt(sum);
  return GM_OK;
}

/* ---- the update ---- */

/* What the elements of one tensor share. */
typedef struct tensor_step {
  bool reached;
  gm_adamw adamw; /* clip: with the mean over micro-batches */
} tensor_step;

typedef struct updating {
  const gm_params *params;
  const tensor_step *steps; /* [params->n] */
  float average;            /* weight of the new values in the average; 0: none is kept */
} updating;

static void update_piece(void *arg, size_t task, size_t worker) {
  const updating *u = arg;
  const gm_param_piece *piece = &u->params->pieces[task];
  const gm_param *p = &u->params->all[piece->param];
  const tensor_step *s = &u->steps[piece->param];
  (void)worker;
  size_t at = piece->begin;
  if (s->reached)
    gm_kernels_best()->train.adamw(p->value + at, p->moment1 + at, p->moment2 + at,
                                   p->gradient + at, &s->adamw, piece->n);
  if (u->average == 0) return;
  float *restrict average = p->average + piece->begin;
  const float *restrict w = p->value + piece->begin;
  for (size_t i = 0; i < piece->n; i++) average[i] += u->average * (w[i] - average[i]);
}

/* Counts the step of each tensor that is reached. */
static void prepare(const gm_optimiser_options *o, gm_params *params, double factor,
                    double gradient, tensor_step *steps) {
  for (size_t i = 0; i < params->n; i++) {
    gm_param *p = &params->all[i];
    steps[i] = (tensor_step){.reached = p->learned->reached};
    if (!p->learned->reached) continue;
    double t = (double)++p->steps, lr = p->lr * factor;
    steps[i].adamw = (gm_adamw){.clip = (float)gradient,
                                .eps = (float)o->eps,
                                .rest1 = (float)(1 - o->beta1),
                                .rest2 = (float)(1 - o->beta2),
                                .decay = (float)(lr * p->weight_decay),
                                .step = (float)(lr / (1 - pow(o->beta1, t))),
                                .root = (float)(1 / sqrt(1 - pow(o->beta2, t)))};
  }
}

/* The average needs no correction for its first values: its first weight is 1, and each later
 * one is that of the newest of t values, (1 - d) / (1 - d^t). */
static float average_weight(double d, uint64_t t) {
  return (float)((1 - d) / (1 - pow(d, (double)t)));
}

static gm_status skip(gm_optimiser *o, gm_update *out, gm_error *err) {
  out->skipped = true;
  o->skipped++;
  o->skipped_in_row++;
  if (o->options.most_skipped == 0 || o->skipped_in_row < o->options.most_skipped) return GM_OK;
  return gm_fail(
      err, GM_ERR_MODEL,
      "the gradients of %llu updates in a row are not finite (NaN or infinite); the "
      "weights before them are kept. Use a lower rate, or start from an earlier model",
      (unsigned long long)o->skipped_in_row);
}

gm_status gm_optimiser_step(gm_optimiser *o, gm_params *params, size_t micro_batches,
                            gm_pool *pool, gm_update *out, gm_error *err) {
  const gm_optimiser_options *options = &o->options;
  assert(micro_batches >= 1 && options->average < 1);
  assert(options->average == 0 || params->with_average);
  assert(!params->swapped);
  tensor_step *steps = malloc((params->n + 1) * sizeof *steps);
  if (!steps) return gm_fail_memory(err, "an update", params->n * sizeof *steps);
  *out = (gm_update){.factor = 1};
  double norm, mean = 1 / (double)micro_batches;
  gm_status status = norm_of(params, pool, &norm, err);
  if (status != GM_OK) {
    free(steps);
    return status;
  }
  if (options->total) out->factor = gm_lr_factor(o->updates, options->warmup, options->total);
  out->norm = norm * mean;
  for (size_t i = 0; i < params->n; i++) out->reached += params->all[i].learned->reached;
  o->updates++;
  if (!isfinite(norm)) {
    free(steps);
    return skip(o, out, err);
  }
  o->skipped_in_row = 0;
  double clip = options->clip > 0 ? fmin(1, options->clip / (out->norm + 1e-6)) : 1;
  prepare(options, params, out->factor, clip * mean, steps);
  updating u = {params, steps, 0};
  if (options->average > 0) u.average = average_weight(options->average, ++params->averaged);
  gm_pool_run(pool, update_piece, &u, params->n_pieces);
  free(steps);
  return GM_OK;
}
