/* tune_cost.c - what a run of tuning costs: a step is timed. */
#include "tune_run.h"

#include "model_resolve.h"
#include "struct_size.h"
#include "tune_adapter.h"

/* The next batch begins a new round over the pictures in the lists' order. */
static void begin_round(gm_tune_list *list) {
  for (size_t i = 0; i < list->n; i++) list->order[i] = (uint32_t)i;
  list->at = list->n;
}

static gm_status time_batch(gm_tune_run *run, double *seconds, gm_error *err) {
  gm_tune_losses losses;
  double began = gm_tune_now();
  gm_status status = gm_tune_run_batch(run, &losses, err);
  *seconds = (gm_tune_now() - began) / run->params.batch;
  return status;
}

/* Of what is kept of pictures and their mirror images when all have been seen. */
static uint64_t kept_bytes(const gm_tune_run *run) {
  const gm_tune_pictures *p = &run->pictures;
  uint64_t all = 2 * (p->learned.n + p->kept.n) + p->held.n;
  uint64_t bytes = run->kept / run->params.batch * all;
  return bytes < run->room ? bytes : run->room;
}

static gm_status measure(gm_tune_run *run, gm_tune_cost *out, gm_error *err) {
  const gm_rng rng = run->rng;
  GM_TRY(time_batch(run, &out->seconds, err));
  out->again = out->seconds;
  uint64_t kept = kept_bytes(run);
  if (run->sees != GM_SEEN_NOTHING) {
    run->rng = rng; /* the same pictures, mirrored or not as before */
    begin_round(&run->pictures.learned);
    begin_round(&run->pictures.kept);
    GM_TRY(time_batch(run, &out->again, err));
  }
  const gm_params *params = run->model.params;
  size_t side = run->model.groma->hparams.image_size;
  out->learns = gm_tune_values(params);
  /* Value, gradient, two moments, average, and the best state. */
  out->bytes = run->compute.arena.peak + 6 * out->learns * sizeof(float) +
               run->params.batch * 3 * side * side * sizeof(float) + kept;
  for (size_t i = 0; i < gm_model_file_n_tensors(run->file); i++) {
    const gm_tensor *t = gm_model_file_tensor_at(run->file, i, NULL);
    out->file_bytes += gm_tensor_rows(t) * t->row_bytes;
  }
  return GM_OK;
}

gm_status gm_tune_measure(const gm_tune_params *params, const gm_callbacks *callbacks,
                          gm_tune_cost *out, gm_error *err) {
  gm_tune_run run = {0};
  gm_tune_params quick;
  gm_tune_cost cost = {.struct_size = sizeof cost};
  char model[160];
  gm_status status = GM_STRUCT_READ(gm_tune_params, &quick, params, err);
  if (status == GM_OK) {
    quick.model = gm_model_quick(quick.model, model, sizeof model);
    status = gm_tune_run_open(&run, &quick, callbacks, err);
  }
  if (status == GM_OK) status = measure(&run, &cost, err);
  if (status == GM_OK) status = GM_STRUCT_WRITE(gm_tune_cost, out, &cost, err);
  gm_tune_run_close(&run);
  return status;
}
