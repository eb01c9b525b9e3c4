/* train_state.h - a run of training as a file, so that another process goes on with it exactly:
 * masters, moments, averages and counts of steps, and the caller's place in its data.
 *
 *   0    "GMSTATE" and one byte: the version of this format, 1
 *   8    u64 bytes of the whole file
 *   16   char run[64]: the run's SHA-256 in hex
 *   80   u64 tensors, updates, skipped updates, the same in a row, updates in the average
 *   120  u64 1 if averages are kept, else 0
 *   128  u64 bytes of the place, then the place
 *        for each tensor: u32 bytes of its name, the name, u32 how it learns, u64 elements,
 *        u64 updates that reached it
 *        for each tensor: value, moment1, moment2 and, where kept, average: f32 each
 *        u64 sum64 (sum64.h) of all that comes before
 *
 * Little endian, without gaps. */
#ifndef GM_TRAIN_STATE_H
#define GM_TRAIN_STATE_H

#include "optimiser.h"

enum { GM_MAX_PLACE = 1 << 20 };

typedef struct gm_train_state {
  /* Of all that decides what the run computes: base model, data, options. 64 hex digits. */
  const char *run;
  gm_params *params;
  gm_optimiser *optimiser; /* its counts; options are the caller's */
  void *place;             /* the caller's own bytes: random state, place in the data, ... */
  size_t place_bytes;      /* at most GM_MAX_PLACE */
} gm_train_state;

/* Written beside its name, brought to disk, then renamed: a failure or a crash leaves an older
 * state as it was. Errors: GM_ERR_IO, GM_ERR_MEMORY. */
gm_status gm_train_state_write(const gm_train_state *state, const char *path, gm_error *err);
/* Takes params and optimiser back to the state in the file, and sets place (free() it) and
 * place_bytes. Params are made as in the run that wrote it; what was derived from weights is to
 * be refreshed. On failure nothing is changed. Errors: GM_ERR_FILE_NOT_FOUND, GM_ERR_IO,
 * GM_ERR_MODEL (cut short, damaged, of another run, or of other tensors), GM_ERR_MEMORY. */
gm_status gm_train_state_read(gm_train_state *state, const char *path, gm_error *err);
/* The same from bytes; `name` is for messages. */
gm_status gm_train_state_parse(gm_train_state *state, const void *bytes, size_t size,
                               const char *name, gm_error *err);

#endif
