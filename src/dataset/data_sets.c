/* data_sets.c - see data_sets.h. */
#include "data_sets.h"

#include <stdlib.h>

static gm_status load_one(gm_data_set **out, const gm_data_spec *spec, bool detect,
                          const gm_data_rules *rules, gm_data_report *report, gm_error *err) {
  if ((spec->task == GM_TASK_DETECT) != detect)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "set %s: found the task %s; wanted %s in this stage of training", spec->name,
                   gm_task_names[spec->task], detect ? "detect" : "any task but detect");
  return gm_data_set_load(out, spec, rules, report, err);
}

gm_status gm_data_sets_load(gm_data_sets *out, const gm_data_spec *specs, size_t n, bool detect,
                            const gm_data_rules *rules, gm_data_report *report, gm_error *err) {
  *out = (gm_data_sets){.sets = calloc(n + 1, sizeof *out->sets)};
  if (!out->sets) return gm_fail_memory(err, "data sets", n * sizeof *out->sets);
  for (size_t i = 0; i < n; i++) {
    gm_status status = load_one(&out->sets[i], &specs[i], detect, rules, report, err);
    if (status != GM_OK) {
      gm_data_sets_free(out);
      return status;
    }
    out->n++;
  }
  return GM_OK;
}

void gm_data_sets_free(gm_data_sets *sets) {
  for (size_t i = 0; i < sets->n; i++) gm_data_set_free(sets->sets[i]);
  free(sets->sets);
  *sets = (gm_data_sets){0};
}

gm_status gm_data_sets_batches(gm_batches **out, const gm_data_sets *sets, size_t chunk_size,
                               uint64_t seed, gm_error *err) {
  size_t *sizes = calloc(sets->n + 1, sizeof *sizes);
  double *shares = calloc(sets->n + 1, sizeof *shares);
  gm_status status = GM_OK;
  *out = NULL;
  if (!sizes || !shares) status = gm_fail_memory(err, "data sets", sets->n * sizeof *sizes);
  for (size_t i = 0; status == GM_OK && i < sets->n; i++) {
    sizes[i] = sets->sets[i]->n_pictures;
    shares[i] = sets->sets[i]->spec.share;
  }
  if (status == GM_OK)
    status = gm_batches_create(out, sizes, shares, sets->n, chunk_size, seed, err);
  free(sizes);
  free(shares);
  return status;
}
