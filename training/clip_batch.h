/* clip_batch.h - a batch of pictures and sentences, and what CLIP learns from it: a picture and
 * a sentence of one class are alike, those of different classes are not (the symmetric
 * contrastive loss of Radford et al. 2021, arXiv 2103.00020, with equal shares for all right
 * sentences of the batch). */
#ifndef GM_TRAINING_CLIP_BATCH_H
#define GM_TRAINING_CLIP_BATCH_H

#include "params.h"
#include "singles.h"

#include "clip_train.h"

typedef struct clip_learner {
  gm_params *params;
  gm_clip_model *model; /* over params->view */
  float *log_scale;     /* [1] of params: the cosines' factor is exp(log_scale) */
  gm_training t;
} clip_learner;

/* Adds the logit scale to params and loads the model. t.c is the caller's. */
gm_status clip_learner_load(clip_learner *l, gm_params *params, gm_error *err);
void clip_learner_free(clip_learner *l);

/* Keeps the logit scale below 100 and makes anew what is derived from weights: after a change
 * of the weights. */
gm_status clip_learner_refresh(clip_learner *l, gm_error *err);

/* Adds the gradients of a batch; *loss is its loss. */
gm_status clip_batch(clip_learner *l, const lesson *lessons, size_t n, double *loss);

/* Features of "a photo of a NAME." for each class, [n_classes, D]. */
gm_status clip_class_features(clip_learner *l, const singles *set, float *features);
/* *right: pictures whose class has the nearest of these features, as inference computes them.
 */
gm_status clip_count_right(clip_learner *l, const lesson *lessons, size_t n,
                           const float *features, size_t n_classes, size_t *right);

#endif
