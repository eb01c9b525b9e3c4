/* tune_cost.c - what a run of tuning costs: a step is timed. */
#include "tune_run.h"

#include "struct_size.h"
#include "tune_adapter.h"

static gm_status measure(gm_tune_run *run, gm_tune_cost *out, gm_error *err) {
  gm_tune_losses losses;
  double began = gm_tune_now();
  GM_TRY(gm_tune_run_batch(run, &losses, err));
  const gm_params *params = run->model.params;
  size_t side = run->model.groma->hparams.image_size;
  out->learns = gm_tune_values(params);
  out->seconds = (gm_tune_now() - began) / run->params.batch;
  /* Value, gradient, two moments, average, and the best state. */
  out->bytes = run->compute.arena.peak + 6 * out->learns * sizeof(float) +
               run->params.batch * 3 * side * side * sizeof(float);
  for (size_t i = 0; i < gm_model_file_n_tensors(run->file); i++) {
    const gm_tensor *t = gm_model_file_tensor_at(run->file, i, NULL);
    out->file_bytes += gm_tensor_rows(t) * t->row_bytes;
  }
  return GM_OK;
}

gm_status gm_tune_measure(const gm_tune_params *params, const gm_callbacks *callbacks,
                          gm_tune_cost *out, gm_error *err) {
  gm_tune_run run;
  gm_tune_cost cost = {.struct_size = sizeof cost};
  gm_status status = gm_tune_run_open(&run, params, callbacks, err);
  if (status == GM_OK) status = measure(&run, &cost, err);
  if (status == GM_OK) status = GM_STRUCT_WRITE(gm_tune_cost, out, &cost, err);
  gm_tune_run_close(&run);
  return status;
}
