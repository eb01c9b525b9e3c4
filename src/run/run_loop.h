/* run_loop.h - the loop of a run, whatever its task:
 *
 *   update      chunks -> micro-batches -> gradients -> weights (run_task.h, optimiser.h)
 *   evaluation  every so often: the held-out samples -> a row of results.csv, best.gguf
 *   checkpoint  every so often: last.gguf, then last.state, from which a run goes on exactly
 *
 * What is random depends on seed and place alone, so a run that was stopped at any point and
 * goes on computes what an unbroken one does, to the bit. */
#ifndef GM_RUN_LOOP_H
#define GM_RUN_LOOP_H

#include "optimiser.h"
#include "run_data.h"
#include "run_folder.h"
#include "run_task.h"
#include "text_buffer.h"

#include <pthread.h>

/* Where a run is; all of it is in last.state. */
typedef struct gm_run_place {
  gm_place data;       /* the next chunk */
  uint64_t update;     /* updates done */
  uint64_t since_best; /* evaluations */
  uint64_t evaluated;  /* evaluations done */
  double best;         /* NaN: none yet */
  double seconds;      /* of computing */
  gm_run_sums losses;  /* since the last evaluation */
  uint64_t lengths[GM_RUN_LISTS];
} gm_run_place;

/* Lines from threads that read pictures, until the thread of the run tells them. */
typedef struct gm_run_notes {
  pthread_mutex_t lock;
  gm_text lines;
} gm_run_notes;

typedef struct gm_run {
  gm_run_settings settings;
  gm_run_folder folder;
  gm_run_data data;
  gm_run_length length;
  gm_run_world world;
  gm_run_task task;
  gm_params *params;
  gm_optimiser optimiser;
  gm_compute compute;
  gm_groma_hparams hparams;
  char identity[65]; /* gm_train_state.run */
  unsigned readers;  /* threads that read pictures */
  gm_read_ahead *ahead;
  gm_run_place place;
  uint64_t saved;                /* update of the last checkpoint */
  double began;                  /* seconds of the clock, less place.seconds */
  uint64_t resumed;              /* place.update at the start */
  const gm_callbacks *callbacks; /* may be NULL */
  void (*note)(void *user, bool detail, const char *line);
  void *note_user;
  gm_run_notes later;
  /* How the weights as they are become a file; NULL: a whole model (trained_model.h). */
  gm_status (*write_model)(const struct gm_run *run, const char *path, gm_error *err);
  /* Asked after each update: whether the run is to end here as if it were over. May be NULL. */
  bool (*enough)(void *user);
  void *enough_user;
} gm_run;

/* Everything above `place` is set up. Goes on from last.state if the folder has one. Errors:
 * those of its parts; GM_ERR_CANCELLED with a checkpoint written. */
gm_status gm_run_loop(gm_run *run, gm_error *err);

/* One evaluation of the weights as they are: sums[...] of the held-out samples. cells (NULL:
 * none) [GM_SHEET_CELLS] become the first ones; *n_cells. */
gm_status gm_run_evaluate(gm_run *run, gm_run_sums *sums, gm_sheet_cell *cells, size_t *n_cells,
                          gm_error *err);

/* A line for the caller, on the run's own thread; tell_later on any. */
void gm_run_tell_later(gm_run *run, const char *line);
void gm_run_tell_waiting(gm_run *run);
void gm_run_tell(const gm_run *run, bool detail, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
