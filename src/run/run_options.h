/* run_options.h - what a run of training computes: the caller's options with the stage's own
 * values where none is given, as config.json of the run's folder keeps them. */
#ifndef GM_RUN_OPTIONS_H
#define GM_RUN_OPTIONS_H

#include "gromatic_train.h"
#include "status.h"

#include <jansson.h>

/* Parts of a model that a stage can train. */
typedef enum gm_part {
  GM_PART_PROPOSER,
  GM_PART_BRIDGE,
  GM_PART_REGIONS,
  GM_PART_EMBEDDINGS,
  GM_PART_WORDS,
  GM_PARTS
} gm_part;
extern const char *const gm_part_names[GM_PARTS];

typedef struct gm_run_settings {
  gm_train_stage stage;
  char *model, *data; /* absolute paths, or an embedded model's name; owned */
  bool learns[GM_PARTS];
  double lr[GM_PARTS], weight_decay[GM_PARTS]; /* of parts that learn */
  double epochs;                               /* used where steps is 0 */
  uint64_t steps;                              /* updates */
  /* Samples of an update, of a micro-batch, and of a chunk, which has one data set: a chunk is
   * whole micro-batches, an update whole chunks. */
  uint64_t batch, micro_batch, chunk;
  double warmup; /* updates, or below 1 a share of all of them */
  double clip, dropout, ema;
  bool bf16, recompute, strict;
  uint64_t eval_every, save_every; /* 0: by the length of the run */
  uint64_t patience, seed;
} gm_run_settings;

/* Free with gm_run_settings_free, after a failure too. GM_ERR_ARGUMENT says which option is
 * wrong; GM_ERR_FILE_NOT_FOUND for the data; GM_ERR_MEMORY. */
gm_status gm_run_settings_make(gm_run_settings *out, const gm_train_params *params,
                               gm_error *err);
void gm_run_settings_free(gm_run_settings *settings);

/* The members of config.json, for json_decref; NULL: memory is short. read takes them back:
 * GM_ERR_ARGUMENT names the member that is absent or wrong; path is for messages. */
json_t *gm_run_settings_json(const gm_run_settings *settings);
gm_status gm_run_settings_read(gm_run_settings *out, const json_t *json, const char *path,
                               gm_error *err);

/* How long the run is, once the data is known: chunks and pictures of an epoch. */
typedef struct gm_run_length {
  uint64_t updates; /* at least 1 */
  uint64_t total;   /* T of the schedule: counts pictures that the sampler drops too */
  uint64_t warmup;  /* W */
  uint64_t eval_every, save_every;
} gm_run_length;
gm_run_length gm_run_settings_length(const gm_run_settings *settings, uint64_t chunks,
                                     uint64_t pictures);

#endif
