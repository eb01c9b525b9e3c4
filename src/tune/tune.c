/* tune.c - gromatic_train.h's tuning: the loop over steps, and the state that is written. */
#include "tune_run.h"

#include "sizes.h"
#include "tune_adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the run: the share in which the rates rise, and evaluations. */
#define WARM_SHARE 0.03
enum { EVALUATIONS = 5, HELD_PICTURES = 24, FEWEST_HELD = 4 };
#define EVALUATION_SHARE 0.1 /* of the time, at most, goes into evaluations */
#define HELD_COST 0.4        /* of a held picture, in a step's pictures */
#define AVERAGE 0.99

static double rate_at(double share) {
  if (share < WARM_SHARE) return share / WARM_SHARE;
  return (1 + cos(3.14159265358979323846 * (share - WARM_SHARE) / (1 - WARM_SHARE))) / 2;
}

/* How long things take; with params.steps nothing depends on it. */
typedef struct pace {
  double began, step,
      evaluation; /* step: the mean of the last ones; evaluation: the last one */
  size_t held;    /* pictures of an evaluation; 0: none yet */
} pace;

typedef struct best {
  float *values; /* [gm_tune_values] */
  double loss;   /* infinity: none yet */
  uint64_t step;
} best;

static double now_share(const gm_tune_run *run, const pace *p) {
  if (run->params.steps) return (double)run->optimiser.updates / (double)run->params.steps;
  return (gm_tune_now() - p->began) / run->params.seconds;
}

/* Whether another step and an evaluation would take longer than there is time for. */
static bool time_is_up(const gm_tune_run *run, const pace *p, double share) {
  double held = p->step / run->params.batch * HELD_COST *
                (double)gm_min_size(run->pictures.held.n, HELD_PICTURES);
  double evaluation = p->evaluation > 0 ? p->evaluation : held;
  return share >= 1 || (!run->params.steps &&
                        gm_tune_now() - p->began + p->step + evaluation > run->params.seconds);
}

/* As many held pictures as the time has room for, the same in all evaluations. */
static void choose_held(const gm_tune_run *run, pace *p) {
  double picture = p->step / run->params.batch * HELD_COST;
  double room = run->params.seconds * EVALUATION_SHARE / EVALUATIONS;
  p->held = HELD_PICTURES;
  if (!run->params.steps && picture * HELD_PICTURES > room)
    p->held = (size_t)fmax(room / picture, FEWEST_HELD);
}

static gm_status update(gm_tune_run *run, double share, gm_update *out, gm_error *err) {
  gm_params *params = run->model.params;
  for (size_t i = 0; i < params->n; i++) params->all[i].lr = run->peaks[i] * rate_at(share);
  GM_TRY(gm_optimiser_step(&run->optimiser, params, 1, run->pool, out, err));
  gm_params_clear(params, run->pool);
  return gm_tune_model_refresh(&run->model, err);
}

static void copy_values(const gm_params *params, float *to) {
  for (size_t i = 0; i < params->n; i++) {
    memcpy(to, params->all[i].value, params->all[i].n * sizeof *to);
    to += params->all[i].n;
  }
}

/* Measures the average of the weights, and keeps it if it is the best so far. */
static gm_status evaluate(gm_tune_run *run, best *b, size_t held, gm_error *err) {
  gm_params *params = run->model.params;
  gm_tune_losses losses = {0};
  gm_params_swap_average(params, run->pool);
  gm_status status = gm_tune_model_refresh(&run->model, err);
  if (status == GM_OK && run->pictures.held.n)
    status = gm_tune_run_held(run, held, &losses, err);
  double loss = losses.words + GM_TUNE_BOXES_WEIGHT * losses.boxes;
  bool better = !run->pictures.held.n || loss < b->loss;
  if (status == GM_OK && better) {
    copy_values(params, b->values);
    b->loss = loss;
    b->step = run->optimiser.updates;
  }
  gm_params_swap_average(params, run->pool);
  GM_TRY(status);
  if (run->pictures.held.n)
    gm_tune_note(run, true, "step %llu: held loss %.4f (words %.4f, boxes %.4f, classes %.4f)",
                 (unsigned long long)run->optimiser.updates, loss, losses.words, losses.boxes,
                 losses.classes);
  return gm_tune_model_refresh(&run->model, err);
}

static gm_status learn(gm_tune_run *run, best *b, const gm_callbacks *callbacks,
                       gm_error *err) {
  pace p = {.began = gm_tune_now()};
  double share = 0, mean = 0;
  unsigned evaluated = 0;
  char stage[80];
  for (bool ends = false; !ends;) {
    gm_tune_losses losses;
    double step_began = gm_tune_now();
    gm_update done;
    GM_TRY(gm_tune_run_batch(run, &losses, err));
    GM_TRY(update(run, share, &done, err));
    double loss = losses.words + GM_TUNE_BOXES_WEIGHT * losses.boxes;
    mean += (loss - mean) * fmax(0.05, 1.0 / (double)run->optimiser.updates);
    p.step += (gm_tune_now() - step_began - p.step) / fmin(8, (double)run->optimiser.updates);
    share = now_share(run, &p);
    ends = time_is_up(run, &p, share);
    if (callbacks && callbacks->progress) {
      snprintf(stage, sizeof stage, "learning, loss %.3f", mean);
      callbacks->progress(callbacks->user, stage, share < 1 ? share : 1);
    }
    gm_tune_note(run, true,
                 "step %llu: words %.4f boxes %.4f classes %.4f (right %.2f) norm %.3f%s",
                 (unsigned long long)run->optimiser.updates, losses.words, losses.boxes,
                 losses.classes, losses.named, done.norm, done.skipped ? " skipped" : "");
    if (!ends && share * EVALUATIONS < evaluated + 1) continue;
    evaluated = (unsigned)(share * EVALUATIONS);
    if (!p.held) choose_held(run, &p);
    double evaluation_began = gm_tune_now();
    GM_TRY(evaluate(run, b, p.held, err));
    p.evaluation = gm_tune_now() - evaluation_began;
    share = now_share(run, &p);
  }
  return GM_OK;
}

static gm_status tune(gm_tune_run *run, const char *path, const gm_callbacks *callbacks,
                      gm_error *err) {
  gm_params *params = run->model.params;
  run->optimiser = (gm_optimiser){.options = gm_optimiser_defaults()};
  run->optimiser.options.clip = 0; /* AdamW's steps do not depend on the gradient's size */
  run->optimiser.options.average = AVERAGE;
  best b = {.values = malloc(gm_tune_values(params) * sizeof(float)), .loss = INFINITY};
  if (!b.values)
    return gm_fail_memory(err, "the weights", gm_tune_values(params) * sizeof(float));
  gm_status status = learn(run, &b, callbacks, err);
  if (status == GM_OK)
    gm_tune_note(run, false, "%llu steps; written is the state after step %llu",
                 (unsigned long long)run->optimiser.updates, (unsigned long long)b.step);
  if (status == GM_OK)
    status = gm_tune_adapter_write(params, b.values, (float)run->params.rank, run->params.name,
                                   path, err);
  free(b.values);
  return status;
}

gm_status gm_tune(const gm_tune_params *params, const char *path, const gm_callbacks *callbacks,
                  gm_error *err) {
  gm_tune_run run;
  gm_status status = gm_tune_run_open(&run, params, callbacks, err);
  if (status == GM_OK) status = tune(&run, path, callbacks, err);
  gm_tune_run_close(&run);
  return status;
}
