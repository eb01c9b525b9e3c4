/* run_data.h - the data of a run: its configuration, the sets in memory, and the pictures of
 * training and of measuring in their order. */
#ifndef GM_RUN_DATA_H
#define GM_RUN_DATA_H

#include "data_config.h"
#include "read_ahead.h"
#include "run_options.h"

#define GM_DATA_HASH 65 /* SHA-256 in hex with NUL */

typedef struct gm_run_sets {
  gm_data_set **all; /* [n], owned */
  size_t n;
  double *shares; /* [n] */
  gm_batches *batches;
} gm_run_sets;

typedef struct gm_run_data {
  gm_data_config config;
  gm_run_sets train, val;
  gm_data_report report;
  char hash[GM_DATA_HASH]; /* of configuration, annotation files and pictures */
} gm_run_data;

/* Reads the settings' configuration and all sets. report.user and tell are the caller's.
 * GM_ERR_ARGUMENT also where a set's task is not one of the stage's. Free with
 * gm_run_data_free, after a failure too. */
gm_status gm_run_data_load(gm_run_data *out, const gm_run_settings *settings,
                           const gm_data_report *report, gm_error *err);
void gm_run_data_free(gm_run_data *data);

/* The item's pixels [3, side, side], for free(); its picture is read where it has none. Errors:
 * those of pictures, GM_ERR_MEMORY. */
gm_status gm_item_pixels(const gm_item *item, size_t side, const gm_pixel_norm *norm,
                         gm_pool *pool, float **out, gm_error *err);

#endif
