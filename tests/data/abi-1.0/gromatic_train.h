/* gromatic_train.h - Groma's training in three stages (arXiv 2404.13013), on this machine's
 * processors. In libgromatic_tools; the conventions are those of gromatic.h.
 *
 *   GM_TRAIN_DETECT    the region proposer learns boxes
 *   GM_TRAIN_ALIGN     words meet regions: bridge, region encoder, embeddings of added tokens
 *   GM_TRAIN_INSTRUCT  conversations: these and the language model
 *
 * docs/TRAINING.md says what a run computes and what its folder holds. */
#ifndef GROMATIC_TRAIN_H
#define GROMATIC_TRAIN_H

#include "gromatic.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gm_train_stage {
  GM_TRAIN_DETECT = 1,
  GM_TRAIN_ALIGN = 2,
  GM_TRAIN_INSTRUCT = 3
} gm_train_stage;

/* 0 and NULL are the stage's own values, which are the paper's. */
typedef struct gm_train_params {
  size_t struct_size;
  gm_train_stage stage;
  const char *model;  /* what gm_model_open takes: where the run begins */
  const char *data;   /* the data configuration, a JSON file */
  const char *folder; /* of the run; it is made. GM_ERR_ARGUMENT if it holds another run */
  /* Goes on with the run in the folder. Of the other members only threads, cache and note
   * are used: the run's config.json has the rest. */
  bool resume;
  double epochs;       /* 12, 2 and 1 */
  uint64_t steps;      /* updates, in place of epochs */
  uint32_t batch;      /* samples of an update: 64, 128 and 128 */
  uint32_t accumulate; /* micro-batches of an update: 8, 64 and 8 */
  /* "X" for all parts, "PART=X" for one, separated by commas; the last that fits counts. Parts:
   * proposer, bridge, regions, embeddings, words. */
  const char *lr;           /* at the peak: 2e-4, 1e-4 and 1e-5 */
  const char *weight_decay; /* 1e-4, 0 and 0 */
  double warmup;            /* updates, or below 1 a share of all. 100 (at most a tenth of all),
                               0.03 and 0.03; negative: none */
  double clip;              /* largest norm of the gradient: 1; negative: not clipped */
  double dropout;           /* of the proposer in stage 1: 0.1; negative: none */
  double ema;               /* decay of the weights' moving average, below 1; 0: none */
  const char *dtype;        /* "bf16" or "f32": the products; weights are f32. NULL: "bf16" */
  bool recompute;           /* less memory, more time */
  const char *freeze;       /* parts that do not learn, "words,regions" */
  uint64_t eval_every;      /* updates between evaluations; 0: a tenth of the run */
  uint64_t save_every;      /* updates between checkpoints; 0: as eval_every */
  uint64_t patience;        /* evaluations without a better one that end the run; 0: never */
  uint64_t seed;
  bool strict;         /* a fault of the data is an error */
  unsigned threads;    /* as in gm_model_params */
  const char *cache;   /* directory for features of frozen parts; NULL: none are kept */
  uint64_t cache_size; /* bytes; 0: 4 GiB */
  /* Called on the thread that made the call, a line at a time. detail: of interest to few. */
  void (*note)(void *note_user, bool detail, const char *line);
  void *note_user;
} gm_train_params;

static inline gm_train_params gm_train_params_default(void) {
  gm_train_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Trains to the end, or until the callbacks cancel it, and leaves the folder with best.gguf,
 * last.gguf and last.state. After GM_ERR_CANCELLED the run can be resumed. progress: stage is
 * "step 120 of 1000, loss 1.234, rate 0.0002". Errors: GM_ERR_ARGUMENT (params, data),
 * GM_ERR_FILE_NOT_FOUND, GM_ERR_MODEL, GM_ERR_IO (a full disk: the last checkpoint stays),
 * GM_ERR_MEMORY. */
GM_API gm_status gm_train(const gm_train_params *params, const gm_callbacks *callbacks,
                          gm_error *err);

#ifdef __cplusplus
}
#endif

#endif
