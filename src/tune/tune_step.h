/* tune_step.h - one step of tuning: a few pictures -> losses of boxes and of words -> gradients
 * of all that learns.
 *
 *   pixels [b, 3, S, S] -> vision -> hidden states [b, 1+n*n, C]
 *     -> mean of the last four -> proposer  -> loss of boxes      (stage 1 of the paper)
 *                                           -> proposals -> lessons, their regions
 *     -> bridge and region encoder -> vectors of image and regions
 *     -> lessons with these vectors -> language model -> loss of words (stage 3)
 *     -> class of each region's object, by a head of training -> loss of classes
 *
 * and back, with the sum of the losses, through all of it into the vision encoder. */
#ifndef GM_TUNE_STEP_H
#define GM_TUNE_STEP_H

#include "lesson.h"
#include "tune_model.h"

/* What the loss of boxes counts beside that of words. */
#define GM_TUNE_BOXES_WEIGHT 0.2
/* And that of classes. */
#define GM_TUNE_CLASSES_WEIGHT 1.0

typedef struct gm_tune_batch {
  const gm_look *looks; /* [n], n >= 1 */
  /* [n, 3, S, S], of the looks one after another; of a picture that was seen only read where it
   * is not enough, after read(user, p). */
  const float *pixels;
  gm_status (*read)(void *user, size_t p);
  void *user;
  size_t n;
  /* [n] what is kept of the pictures, and added to; NULL where the vision encoder learns. */
  gm_tune_seen *const *seen;
  gm_source source; /* the class heads that learn */
  gm_rng rng;       /* of the lessons */
  bool back;        /* gradients are added; else losses only */
} gm_tune_batch;

typedef struct gm_tune_losses {
  double boxes, words, classes; /* 0 where the part is not learned */
  double named;                 /* the share of regions whose class is right */
} gm_tune_losses;

/* GM_ERR_ARGUMENT (lesson.h), GM_ERR_MODEL where something is not a number, GM_ERR_MEMORY,
 * GM_ERR_CANCELLED. */
gm_status gm_tune_step(const gm_training *t, const gm_tune_model *model,
                       const gm_lesson_rule *rule, const gm_tune_batch *batch,
                       gm_tune_losses *out);

#endif
