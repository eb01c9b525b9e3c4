/* run_task.h - what a stage computes of its samples: the part of a run that differs between
 * stages. The loop (run_loop.h) does all else. */
#ifndef GM_RUN_TASK_H
#define GM_RUN_TASK_H

#include "cache_dir.h"
#include "groma_hparams.h"
#include "params.h"
#include "read_ahead.h"
#include "run_options.h"
#include "run_sheet.h"

/* What tasks share; the run's. */
typedef struct gm_run_world {
  const gm_run_settings *settings;
  const gm_groma_hparams *hparams;
  gm_params *params;
  gm_training training; /* drop_key is that of the update */
  gm_cache_dir *cache;  /* for features of frozen parts; NULL: none are kept */
  uint64_t left_out;    /* samples that do not fit the model, so far */
} gm_run_world;

enum { GM_RUN_NUMBERS = 8 };

/* Sums of what is measured of samples; gm_run_task.names says what they are. */
typedef struct gm_run_sums {
  double sum[GM_RUN_NUMBERS], count[GM_RUN_NUMBERS];
} gm_run_sums;

typedef struct gm_run_measure {
  const char *name;
  bool lower_is_better;
} gm_run_measure;

typedef struct gm_run_task {
  void *self;
  /* Of training, a number each per micro-batch; the first is the loss. */
  const char *losses[GM_RUN_NUMBERS];
  size_t n_losses;
  /* Of held-out samples. The first that has a count decides what is best. */
  gm_run_measure measures[GM_RUN_NUMBERS];
  size_t n_measures;

  /* A micro-batch of one data set: adds to the gradients and to sums (losses). first: number
   * of the update's samples before these. */
  gm_status (*train)(void *self, const gm_item *items, size_t n, uint64_t first,
                     gm_run_sums *sums);
  /* After weights were changed: makes anew what was derived from them. */
  gm_status (*refresh)(void *self, gm_error *err);
  /* A held-out sample, without gradients: adds to sums (measures). cell (may be NULL) gets
   * its boxes and text. */
  gm_status (*measure)(void *self, const gm_item *item, gm_run_sums *sums, gm_sheet_cell *cell);
  /* See gm_read_ahead_params; NULL: every sample needs its pixels. */
  bool (*wants_pixels)(void *self, const gm_sample *sample);
  void (*free)(void *self);
} gm_run_task;

/* The tasks of the stages. The world must outlive them. Errors: those of loading the model's
 * parts from world->params->view. */
gm_status gm_run_detect_task(gm_run_task *out, gm_run_world *world, gm_error *err);
gm_status gm_run_words_task(gm_run_task *out, gm_run_world *world, gm_error *err);

#endif
