/* speak_batch.h - one batch of lessons through bridge, region encoder and language model, with
 * what a small model needs besides the loss of its words: heads that look at hidden states, and
 * heads of attention that are told where to look. Layers count from 1.
 *
 *   after layer 1   at each region: its own index token, the kind of its object, and its place
 *   after layer 2   where an answer is about to point: the kind of thing that was asked for;
 *                   where a name is about to be said: the index token of its region
 *   after layer 3   where a name is about to be said: the kind of the object
 *   in layer 3      two heads look from where an answer is about to point to the region, or to
 *                   the place itself where there is none; two others from where a name is about
 *                   to be said to the region */
#ifndef GM_TRAINING_SPEAK_BATCH_H
#define GM_TRAINING_SPEAK_BATCH_H

#include "attention_lesson.h"
#include "bridge_train.h"
#include "class_head.h"
#include "groma.h"
#include "region_train.h"
#include "sequence.h"
#include "speak_score.h"
#include "turns.h"

typedef struct speaking {
  gm_training t;
  gm_groma *groma;
  /* One for all kinds, so that asked and shown things look alike inside the model, and
   * attention can match them. */
  gm_class_head index_head, kind_head, place_head;
  bool regions_learn; /* else the vectors are those that were seen */
} speaking;

typedef struct speaking_item {
  const lesson *lesson;
  const seen *saw;
  gm_sequence sequence;
} speaking_item;

/* Whether the model has the layers and heads for all this. GM_ERR_MODEL. */
gm_status speaking_check(const gm_groma *groma, gm_error *err);
gm_status speaking_sequence(const speaking *s, speaking_item *item, gm_error *err);

/* Adds to sum the losses of n items, and, with measure, which answers are right; without it the
 * gradients of the words' loss plus weight times all others are added. */
gm_status speaking_batch(const speaking *s, const speaking_item *items, size_t n, double weight,
                         bool measure, speaking_score *sum);

#endif
