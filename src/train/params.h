/* params.h - the weights of a model that learn: masters, gradients, moments, and the model file
 * that the model's structs are loaded from while it trains.
 *
 * A gm_params is made over an open model file. Tensors that are chosen to learn get f32 masters
 * in memory, and gm_params.view is a view of the file in which they stand in place of the
 * file's own values. The file stays as it is. So the loaders of inference give structs that see
 * each step at once, and inference runs on weights in training. Two things it must not do then:
 * keep panels of weights (gm_compute.panels), and trust what a loader derived from weights:
 * that is made anew by gm_vision_refresh, gm_dinov2_refresh, gm_proposer_encoder_refresh,
 * gm_clip_vision_refresh and gm_clip_text_refresh. A low-rank pair is seen by the products of
 * training alone. */
#ifndef GM_PARAMS_H
#define GM_PARAMS_H

#include "model_file.h"
#include "tensor_rules.h"
#include "threads.h"
#include "training.h"

/* How a tensor learns. */
typedef enum gm_learn { GM_FROZEN, GM_LEARN_WHOLE, GM_LEARN_LORA } gm_learn;

/* Which tensors: all whose part, name and layer fit. */
typedef struct gm_tensor_choice {
  /* Groma: vision, proposer, bridge, regions, embeddings (new_input_embs and extra_lm_head),
   * words (the rest of the language model). CLIP: vision, text. NULL: any. */
  const char *part;
  /* A pattern of fnmatch for the whole name; NULL: any. */
  const char *name;
  /* Layers [first, end) of those that have layers; end 0: all, and tensors without layers too.
   */
  size_t first_layer, end_layer;
} gm_tensor_choice;

typedef struct gm_learn_rule {
  gm_tensor_choice which;
  gm_learn how;
  /* Of pairs; alpha / rank scales their product. Only matrices of layers, both of whose sides
   * are larger than the rank, get a pair; the rule leaves out the rest. */
  size_t rank;
  float alpha;
} gm_learn_rule;

typedef struct gm_param {
  char *name;                 /* in the model file (upstream's); for a pair: of its matrix */
  const char *part;           /* as in gm_tensor_choice */
  const gm_tensor_rule *rule; /* NULL if the tensor was added */
  size_t layer;
  gm_tensor base; /* as the file has it; data NULL if the tensor was added */
  size_t n;       /* elements of value: of the tensor, or of a and then b of the pair */
  /* [n], 64-byte aligned, in one block that begins with value; average NULL without one */
  float *value, *gradient, *moment1, *moment2, *average;
  uint64_t steps; /* updates that reached it */
  gm_learn how;
  gm_lora lora;            /* of a pair */
  gm_learned *learned;     /* its entry in gm_params.learned */
  double lr, weight_decay; /* its own peak rate and decay */
} gm_param;

/* A piece of a tensor: the unit of work of the threads. Its size does not depend on their
 * number. */
typedef struct gm_param_piece {
  size_t param, begin, n;
} gm_param_piece;

typedef struct gm_params {
  gm_param *all; /* [n]: in the file's order, then those that were added */
  size_t n;
  gm_learned_set learned; /* for gm_training */
  const gm_model_file *file;
  gm_model_file *view;
  gm_tensor_rules *rules;
  gm_param_piece *pieces; /* [n_pieces], in the order of all */
  size_t n_pieces;
  bool with_average;
  uint64_t averaged; /* updates that average has seen */
  bool swapped;      /* the average stands in place of the weights */
} gm_params;

/* For each tensor of the file the last rule that fits decides; without one it is frozen. seed:
 * of the pairs' first values (a uniform in +-1/sqrt(columns), b zero). average: room for the
 * moving average of the weights. The file must outlive it. Errors: GM_ERR_ARGUMENT (a part that
 * the model does not have, a rule that fits no tensor, a rank of 0), GM_ERR_MODEL,
 * GM_ERR_MEMORY. */
gm_status gm_params_create(gm_params **out, const gm_model_file *file,
                           const gm_learn_rule *rules, size_t n_rules, bool average,
                           uint64_t seed, gm_error *err);
void gm_params_free(gm_params *params);

/* Adds a tensor that the file does not have, such as a head that only training uses. It learns
 * as a whole, and is not written to a model file, but is part of the state. values may be NULL:
 * zeros. *out (may be NULL) = its values. At most GM_MAX_ADDED, and before the first step.
 * Errors: GM_ERR_MEMORY. */
enum { GM_MAX_ADDED = 64 };
gm_status gm_params_add(gm_params *params, const char *name, const char *part, uint32_t n_dims,
                        const size_t *shape, const float *values, float **out, gm_error *err);

/* By its name in the file; NULL: it does not learn. */
gm_param *gm_params_find(const gm_params *params, const char *name);
bool gm_param_fits(const gm_param *param, const gm_tensor_choice *which);

/* Rates and decays of all that fit. Before the first call both are 0. */
void gm_params_set_lr(gm_params *params, const gm_tensor_choice *which, double lr);
void gm_params_scale_lr(gm_params *params, const gm_tensor_choice *which, double factor);
void gm_params_set_decay(gm_params *params, const gm_tensor_choice *which, double decay);

/* Gradients become 0 and reached by none. pool may be NULL. */
void gm_params_clear(gm_params *params, gm_pool *pool);
/* Exchanges the weights and their average, so that the model computes with the average, or with
 * the weights again. Does nothing before the first update. What was derived from weights is to
 * be refreshed. Updates and states need the weights in place. */
void gm_params_swap_average(gm_params *params, gm_pool *pool);

#endif
