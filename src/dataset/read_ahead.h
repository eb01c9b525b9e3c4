/* read_ahead.h - chunks of samples with their pixels, made ahead by threads and handed out in
 * the order of the batches. What comes out does not depend on the number of threads. */
#ifndef GM_READ_AHEAD_H
#define GM_READ_AHEAD_H

#include "augment.h"
#include "batches.h"

typedef struct gm_read_ahead_params {
  const gm_data_set *const *sets; /* by gm_visit.set; they must outlive the reader */
  gm_batches *batches;            /* used by the reader alone until it is freed */
  size_t chunk_size;              /* that of batches */
  uint64_t seed;
  gm_visit_rules visit; /* side: that of the pixels too */
  gm_pixel_norm norm;
  bool augment;           /* stage 1 in training */
  unsigned threads;       /* at least 1 */
  size_t ahead;           /* chunks, at least 1: memory is (ahead + 1) chunks of pixels */
  gm_data_report *report; /* pictures that cannot be read; not to be touched until the end */
  /* Whether a sample needs pixels; NULL: each does. Called on the threads. For features that
   * are kept: not with augment. */
  bool (*wants_pixels)(void *user, const gm_sample *sample);
  void *user;
} gm_read_ahead_params;

typedef struct gm_item {
  gm_sample sample;
  float *pixels;   /* [3, S, S] */
  bool has_pixels; /* false: wants_pixels said no */
  size_t set;
} gm_item;

typedef struct gm_read_ahead gm_read_ahead;

/* Errors: GM_ERR_ARGUMENT, GM_ERR_MEMORY. */
gm_status gm_read_ahead_start(gm_read_ahead **out, const gm_read_ahead_params *params,
                              gm_error *err);
/* Ends the threads, after at most one picture each. NULL is allowed. */
void gm_read_ahead_free(gm_read_ahead *ahead);

/* The next chunk: *items [chunk_size], valid until the next call. A picture without usable
 * boxes, or one that cannot be read, is replaced by another of the same set and orientation;
 * GM_ERR_ARGUMENT after 100 in a row (or at the first that cannot be read, if the report is
 * strict). After an error every call returns it. One caller at a time. */
gm_status gm_read_ahead_next(gm_read_ahead *ahead, const gm_item **items, gm_error *err);

/* The place of the chunk that the next call gives, for saving. */
gm_place gm_read_ahead_place(const gm_read_ahead *ahead);

/* One sample with its pixels, on the caller's thread: what the threads do. item->pixels must
 * have room. lock (may be NULL) guards the report. */
gm_status gm_item_make(gm_item *item, const gm_read_ahead_params *params, gm_visit visit,
                       gm_arena *arena, pthread_mutex_t *lock, gm_error *err);

#endif
