/* data_sets.h - all sets of a run, and the order in which they are seen. */
#ifndef GM_DATA_SETS_H
#define GM_DATA_SETS_H

#include "batches.h"

typedef struct gm_data_sets {
  gm_data_set **sets; /* [n] */
  size_t n;
} gm_data_sets;

/* Loads each spec. detect: stage 1, whose sets all have the task detect; else none may. Errors
 * as of gm_data_set_load; *out is then empty. Free with gm_data_sets_free. */
gm_status gm_data_sets_load(gm_data_sets *out, const gm_data_spec *specs, size_t n, bool detect,
                            const gm_data_rules *rules, gm_data_report *report, gm_error *err);
void gm_data_sets_free(gm_data_sets *sets);

/* The batches of these sets with their shares; as gm_batches_create. */
gm_status gm_data_sets_batches(gm_batches **out, const gm_data_sets *sets, size_t chunk_size,
                               uint64_t seed, gm_error *err);

#endif
