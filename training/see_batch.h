/* see_batch.h - one step of teaching the seeing half of a small model: the vision encoder by
 * dense labels (the class of the object over each patch), the region proposer by its own loss,
 * and the region encoder by two classifiers on its vectors: what a region shows, and where it
 * is, which questions about "the star on the left" need. Their gradients add up in the vision
 * encoder. The classifiers are used by training alone. */
#ifndef GM_TRAINING_SEE_BATCH_H
#define GM_TRAINING_SEE_BATCH_H

#include "class_head.h"
#include "pictures.h"

#include "dinov2_train.h"
#include "params.h"
#include "proposer_train.h"
#include "region_train.h"

typedef struct see_model {
  gm_training t;
  gm_params *params;
  gm_groma_hparams hparams;
  gm_dinov2 dinov2;
  gm_proposer_learner proposer;
  gm_region_encoder regions;
  gm_class_head dense, named, placed;
  size_t n_classes;
  bool with_regions; /* teach the region encoder too */
} see_model;

/* Loads the stages from the params' view and adds the classifiers. hparams, params, n_classes
 * and t.c are set. On failure see_model_free is still to be called. */
gm_status see_model_load(see_model *s, gm_error *err);
/* Frees what load made, not the params. */
void see_model_free(see_model *s);
/* After each step: what was derived from weights. */
gm_status see_model_refresh(see_model *s, gm_error *err);

/* Sums over batches. */
typedef struct see_sums {
  double batches, dense, detect, named, placed; /* mean losses of a batch */
  double labelled, dense_right;                 /* patches */
  double objects, named_right, placed_right;
  double recalled; /* objects with a proposal at IoU > 0.5 */
} see_sums;

/* One batch: adds its losses to *sum and, unless `measure`, its gradients to the params'. step:
 * its number, of which draws depend. */
gm_status see_batch(see_model *s, const picture *pictures, size_t n, uint64_t step,
                    bool measure, see_sums *sum);

#endif
