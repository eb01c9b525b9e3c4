/* params.h - the weights of a model that learn: masters, gradients, moments, and the model file
 * that the model's structs are loaded from while it trains.
 *
 * A gm_params is made over an open model file. Tensors that are chosen to learn get f32 masters
 * in memory, and gm_params_file is a view of the file in which they stand in place of the
 * file's own bytes. So the loaders of inference give structs that see each step at once, and
 * inference runs on weights in training. What a loader derives from weights (positions that are
 * resampled or joined) is made anew by gm_params_refresh. */
#ifndef GM_PARAMS_H
#define GM_PARAMS_H

#include "model_file.h"
#include "tensor_rules.h"
#include "training.h"

/* How a tensor learns. */
typedef enum gm_learn { GM_FROZEN, GM_LEARN_WHOLE, GM_LEARN_LORA } gm_learn;

typedef struct gm_param {
  char *name;       /* in the model file; for a pair: of its matrix */
  const char *part; /* vision, proposer, bridge, regions, embeddings, words */
  const gm_tensor_rule *rule;
  size_t layer;
  gm_tensor base; /* as the file has it */
  size_t n;       /* elements of value: of the tensor, or of a and b of the pair together */
  float *value, *gradient, *moment1, *moment2, *average; /* [n]; average NULL without EMA */
  uint64_t steps;                                        /* updates that reached it */
  gm_learn how;
  float lr_factor, weight_decay; /* of its own: a tenth for sampling_offsets in stage 1 */
} gm_param;

typedef struct gm_params {
  gm_param *all; /* [n], in the file's order */
  size_t n;
  gm_learned_set learned; /* for gm_training */
  gm_model_file *view;
  gm_tensor_rules *rules;
} gm_params;

#endif
