/* run_checkpoint.h - what the loop of a run (run_loop.h) reads and writes: models, the state,
 * pictures. */
#ifndef GM_RUN_CHECKPOINT_H
#define GM_RUN_CHECKPOINT_H

#include "run_loop.h"

/* The weights as they are now (with the average in their place, where it was swapped in) as
 * best.gguf or last.gguf. */
gm_status gm_run_write_model(const gm_run *run, gm_run_file file, gm_error *err);
/* last.gguf and last.state of run->place. Not to be cancelled. */
gm_status gm_run_save(gm_run *run, double seconds, gm_error *err);
/* run->place, weights and moments from last.state, and the folder's lists as long as they were
 * then; where there is none, the beginning. */
gm_status gm_run_restore(gm_run *run, gm_error *err);

/* How the pictures of some sets are read ahead. */
gm_read_ahead_params gm_run_reading(gm_run *run, gm_run_sets *sets, size_t chunk, size_t ahead,
                                    bool augment);
/* Adds the item's picture to the cell; data: with its boxes and first turn too. */
gm_status gm_run_sheet_item(const gm_run *run, gm_sheet_cell *cell, const gm_item *item,
                            bool data, gm_error *err);

#endif
