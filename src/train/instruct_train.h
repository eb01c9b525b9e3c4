/* instruct_train.h - a micro-batch of stages 2 and 3: hidden states of frozen vision, and
 * sequences -> image tokens and region vectors -> the language model -> loss -> gradients of
 * all that learns among bridge, region encoder and language model.
 *
 *   states of n pictures -> bridge          -> image tokens   [n * T, D]
 *                        -> region encoder  -> region vectors [all regions, D]
 *   sequences -> rows, packed one after another, with these vectors among them
 *             -> language model -> mean cross-entropy over all targets of the micro-batch
 *
 * What learns is what gm_training says of the weights of `groma`, which is loaded from a view
 * of masters (params.h). */
#ifndef GM_INSTRUCT_TRAIN_H
#define GM_INSTRUCT_TRAIN_H

#include "bridge_train.h"
#include "groma.h"
#include "llama_train.h"
#include "region_train.h"
#include "sequence.h"

/* A sequence and the hidden states of its picture (gm_features_states), the caller's. */
typedef struct gm_instruct_item {
  const gm_sequence *sequence;           /* n_turns >= 1 */
  const float *output;                   /* [1+n*n, C] */
  const float *states[GM_REGION_LEVELS]; /* [1+n*n, C] each */
} gm_instruct_item;

/* Lies in the compute's arena, but for rows and targets: take a mark before the forward, and
 * end the pass before it is restored. */
typedef struct gm_instruct_pass {
  const gm_training *t;
  const gm_groma *groma;
  const gm_instruct_item *items; /* [n] */
  size_t n;
  const float **outputs;       /* [n] */
  gm_region_picture *pictures; /* [n] */
  gm_bridge_kept bridge_kept;
  gm_region_kept *regions_kept;
  bool bridge_learns, regions_learn;
  size_t n_image, n_regions;  /* vectors of all pictures: image tokens, then regions */
  float *vectors, *d_vectors; /* [n_image + n_regions, D] */
  gm_ids rows, targets;
  size_t *lengths; /* [n] rows of each sequence */
  gm_llama_batch batch;
  gm_llama_pass words;
} gm_instruct_pass;

/* *loss: mean over the targets. The states of the language model are in pass->words from then
 * on. On failure gm_instruct_end is still to be called. GM_ERR_MEMORY, GM_ERR_CANCELLED. */
gm_status gm_instruct_forward(gm_instruct_pass *pass, const gm_training *t,
                              const gm_groma *groma, const gm_instruct_item *items, size_t n,
                              double *loss);
/* Once, after the forward; extra as in gm_llama_train_back. Does nothing where nothing learns.
 */
gm_status gm_instruct_back(gm_instruct_pass *pass, const gm_state_gradient *extra,
                           size_t n_extra);
void gm_instruct_end(gm_instruct_pass *pass);

/* All three, with the arena put back: the loss of a micro-batch and its gradients. */
gm_status gm_instruct_step(const gm_training *t, const gm_groma *groma,
                           const gm_instruct_item *items, size_t n, double *loss);

#endif
