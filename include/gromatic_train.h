/* gromatic_train.h - Groma's training in three stages (arXiv 2404.13013), and tuning on one's
 * own pictures, on this machine's processors. In libgromatic_tools; the conventions are those
 * of gromatic.h.
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
  double dropout;           /* of the proposer in stage 1: 0.1; negative: none. GM_ERR_ARGUMENT
                               in the other stages, which keep the proposer's results */
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

/* ---- tuning on one's own pictures ---- */

typedef struct gm_tune_object {
  size_t struct_size;
  gm_box box;       /* pixels of the upright picture */
  const char *name; /* with its article: "a dog" */
  const char *noun; /* without: "dog" */
} gm_tune_object;

/* An expression that fits one box of its picture. */
typedef struct gm_tune_phrase {
  size_t struct_size;
  gm_box box;
  const char *text;
} gm_tune_phrase;

typedef struct gm_tune_picture {
  size_t struct_size;
  const char *path;
  const char *background; /* "blue", for captions; NULL: not said */
  const gm_tune_object *objects;
  size_t n_objects;
  const gm_tune_phrase *phrases;
  size_t n_phrases;
} gm_tune_picture;

/* Pictures are lists of gm_tune_picture; the first one's struct_size is the distance between
 * them, and likewise for their objects and phrases. 0 and NULL are defaults. */
typedef struct gm_tune_params {
  size_t struct_size;
  const char *model;              /* what gm_model_open takes; it may be quantised */
  const gm_tune_picture *learned; /* [n_learned], at least one */
  size_t n_learned;
  const gm_tune_picture *held; /* [n_held] chosen by: the state of the smallest loss on these is
                                  what is written. 0: the last state */
  size_t n_held;
  const gm_tune_picture *kept; /* [n_kept] of what the model knows already: mixed in */
  size_t n_kept;
  double kept_share; /* of the pictures of a step, where there are kept ones: 1/3 */
  const char *parts; /* "boxes,regions,words"; NULL: all */
  uint32_t rank;     /* of low-rank pairs: 16 */
  double seconds;    /* of learning; 1800 */
  uint64_t steps; /* updates in place of seconds, for a result that does not depend on time */
  uint32_t batch; /* pictures of a step: 8, and 1 for large models */
  uint64_t seed;
  unsigned threads; /* as in gm_model_params */
  const char *name; /* that the adapter gets; NULL: none */
  /* Called on the thread that made the call, a line at a time. detail: of interest to few. */
  void (*note)(void *note_user, bool detail, const char *line);
  void *note_user;
} gm_tune_params;

static inline gm_tune_params gm_tune_params_default(void) {
  gm_tune_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* What a run costs on this machine, measured by one step. */
typedef struct gm_tune_cost {
  size_t struct_size;
  uint64_t learns;     /* numbers that learn */
  double seconds;      /* a picture, when it is seen first */
  uint64_t bytes;      /* peak of memory, without the model's file */
  uint64_t file_bytes; /* of the model */
  double again; /* seconds of a picture that was seen: what frozen parts make of it is kept */
} gm_tune_cost;

/* Learns boxes, region vectors, names and expressions from pictures, and writes what has
 * changed as an adapter (gm_adapter_use) to path, whole or not at all. The model's file stays
 * as it is. The loss is that of Groma's stages 1 and 3 (arXiv 2404.13013) on the same pictures,
 * with low-rank pairs (arXiv 2106.09685) beside large matrices. progress: stage is "learning,
 * loss 1.234". Errors: GM_ERR_ARGUMENT (params, or no picture can be read), GM_ERR_MODEL,
 * GM_ERR_IO, GM_ERR_MEMORY, GM_ERR_CANCELLED. */
GM_API gm_status gm_tune(const gm_tune_params *params, const char *path,
                         const gm_callbacks *callbacks, gm_error *err);
/* Computes one step, or two where something is kept, and writes nothing. Of a synthetic model
 * the weights are filled in the fast way: they decide no cost. */
GM_API gm_status gm_tune_measure(const gm_tune_params *params, const gm_callbacks *callbacks,
                                 gm_tune_cost *out, gm_error *err);

/* ---- whether a thing is there ---- */

/* A phrase that gm_calibrate asked, as it was measured. */
typedef struct gm_calibrate_row {
  size_t struct_size;
  const char *picture, *phrase;
  const char *kind;         /* "there", "noun", "near", "place", "attribute" */
  const char *const *names; /* [n_signals] */
  const float *signals;     /* [n_signals]; docs/PRESENT.md says what they are */
  size_t n_signals;
  float share; /* of the best region */
  bool all;    /* asked for all instances */
  bool right;  /* the phrase is there, and the best region is it (IoU of at least 0.5) */
} gm_calibrate_row;

typedef struct gm_calibrate_params {
  size_t struct_size;
  const char *model;   /* what gm_model_open takes; it may be quantised */
  const char *adapter; /* on the model; what is written has its changes too. NULL: none */
  const char *clip;    /* what gm_clip_open takes; the head can look with it. NULL: none */
  const gm_tune_picture *pictures; /* [n_pictures], as in gm_tune_params */
  size_t n_pictures;
  uint64_t seed;    /* of the phrases that are not there */
  unsigned threads; /* as in gm_model_params */
  const char *name; /* that the adapter gets; NULL: that of `adapter` */
  /* As in gm_tune_params. */
  void (*note)(void *note_user, bool detail, const char *line);
  void *note_user;
  /* Called with each phrase, on the same thread; the row lives until it returns. May be NULL.
   */
  void (*row)(void *row_user, const gm_calibrate_row *row);
  void *row_user;
  double seconds; /* after these no further picture is asked; fewer than 10 by then:
                     GM_ERR_ARGUMENT. 0: no limit */
} gm_calibrate_params;

static inline gm_calibrate_params gm_calibrate_params_default(void) {
  gm_calibrate_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* What the head does with phrases of pictures that it was not fitted on: measured by fitting
 * five times, each time without a fifth of the pictures. An answer is a phrase whose `present`
 * is at least 0.5. */
typedef struct gm_calibrate_report {
  size_t struct_size;
  size_t n_there;                /* phrases that are there */
  size_t right, kept;            /* of these with the right box: all, and answered */
  size_t n_nouns, refused_nouns; /* names that are not there: all, and refused */
  size_t n_hard, refused_hard;   /* near names, places and attributes */
  size_t n_answers;
  double auc; /* of `present`: there against not there */
  double ece; /* expected calibration error of the answers' scores */
} gm_calibrate_report;

/* Fits the head that says whether a phrase's thing is in the picture, and how likely a region
 * is the right one, and writes it as an adapter (gm_adapter_use) to path, whole or not at all.
 * The phrases come from the pictures' own names and expressions: as they are, and changed so
 * that they are not there. Nothing is learned through the model. progress: "asking". out may be
 * NULL. Errors: as gm_tune. */
GM_API gm_status gm_calibrate(const gm_calibrate_params *params, const char *path,
                              const gm_callbacks *callbacks, gm_calibrate_report *out,
                              gm_error *err);

/* ---- whether a name is right ---- */

/* A region that gm_calibrate_labels named, as it was measured. */
typedef struct gm_calibrate_label_row {
  size_t struct_size;
  const char *picture;
  gm_box box;
  const char *label; /* the best of the list */
  const char *kind;  /* "right"; "nothing": no name of the list is there; "wrong": another is */
  size_t n_classes;  /* of the list */
  const char *const *names; /* [n_signals] */
  const float *signals;     /* [n_signals]; docs/LABEL.md says what they are */
  size_t n_signals;
} gm_calibrate_label_row;

typedef struct gm_calibrate_labels_params {
  size_t struct_size;
  const char *model;   /* what gm_model_open takes: its proposer's regions are named */
  const char *clip;    /* what gm_clip_open takes */
  const char *adapter; /* on the CLIP; what is written has its changes too. NULL: none */
  const gm_tune_picture
      *pictures; /* [n_pictures], as in gm_tune_params; phrases are not used */
  size_t n_pictures;
  uint64_t seed;    /* of the lists of names */
  unsigned threads; /* as in gm_model_params */
  /* As in gm_tune_params. */
  void (*note)(void *note_user, bool detail, const char *line);
  void *note_user;
  /* Called with each region and list, on the same thread; the row lives until it returns. May
   * be NULL. */
  void (*row)(void *row_user, const gm_calibrate_label_row *row);
  void *row_user;
} gm_calibrate_labels_params;

static inline gm_calibrate_labels_params gm_calibrate_labels_params_default(void) {
  gm_calibrate_labels_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* What the head does with regions of pictures that it was not fitted on, measured as in
 * gm_calibrate_report: with lists of all lengths, and with the list of all names. */
typedef struct gm_calibrate_labels_report {
  size_t struct_size;
  size_t n_right, kept;      /* regions with the right name: all, and those that keep it */
  size_t n_nothing, refused; /* regions that no name fits: all, and those that get none */
  size_t n_right_all, kept_all, n_nothing_all, refused_all; /* with all names */
  double auc;                                               /* of `present`: right or not */
  double ece; /* expected calibration error of `present` */
} gm_calibrate_labels_report;

/* Fits the head that says how likely the name is right that a region got (gm_label_regions),
 * and writes it as an adapter of the CLIP to path, whole or not at all. The method is wca. Each
 * region is named with all nouns of the pictures and with shorter lists of them, drawn at
 * random. progress: "naming". out may be NULL. Errors: as gm_tune. */
GM_API gm_status gm_calibrate_labels(const gm_calibrate_labels_params *params, const char *path,
                                     const gm_callbacks *callbacks,
                                     gm_calibrate_labels_report *out, gm_error *err);

#ifdef __cplusplus
}
#endif

#endif
