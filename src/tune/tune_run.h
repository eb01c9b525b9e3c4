/* tune_run.h - what a run of tuning holds, and a step of it: the model, the pictures, and the
 * batch that is drawn from them. */
#ifndef GM_TUNE_RUN_H
#define GM_TUNE_RUN_H

#include "gromatic_train.h"
#include "optimiser.h"
#include "tune_pictures.h"
#include "tune_step.h"

typedef struct gm_tune_run {
  gm_tune_params params; /* with defaults filled in */
  gm_callbacks callbacks;
  gm_model_file *file;
  gm_tune_model model;
  gm_tune_pictures pictures;
  double *peaks; /* [model.params->n] rates */
  gm_pool *pool;
  gm_compute compute;
  gm_lesson_rule rule;
  gm_optimiser optimiser;
  gm_rng rng;
  float *pixels;  /* [batch, 3, S, S] */
  gm_look *looks; /* [batch] */
  bool *unread;   /* [batch] whether pixels of a look are not there */
  gm_seen_kind sees;
  gm_tune_seen **seen; /* [batch] of the looks: kept in the lists, or */
  gm_tune_seen *spare; /* [batch] of pictures that there is no room for */
  size_t kept, room;   /* bytes of all that is kept, and at most */
  uint64_t batches;
} gm_tune_run;

/* Checks the params, opens the model and reads the lists. Close it after a failure too. */
gm_status gm_tune_run_open(gm_tune_run *run, const gm_tune_params *params,
                           const gm_callbacks *callbacks, gm_error *err);
void gm_tune_run_close(gm_tune_run *run);

/* Draws a batch and adds its gradients. A picture that cannot be read is told once, and others
 * take its place; GM_ERR_ARGUMENT where none can be read. */
gm_status gm_tune_run_batch(gm_tune_run *run, gm_tune_losses *losses, gm_error *err);
/* Mean losses of the first `most` held pictures, always with the same draws. */
gm_status gm_tune_run_held(gm_tune_run *run, size_t most, gm_tune_losses *losses,
                           gm_error *err);

double gm_tune_now(void); /* seconds */
void gm_tune_note(const gm_tune_run *run, bool detail, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
