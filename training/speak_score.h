/* speak_score.h - what is counted while a model learns to speak, and how it is printed. */
#ifndef GM_TRAINING_SPEAK_SCORE_H
#define GM_TRAINING_SPEAK_SCORE_H

#include "turns.h"

/* What heads read from hidden states. */
enum {
  OWN_INDEX,
  REGION_KIND,
  REGION_PLACE,
  ASKED_KIND,
  NAMED_INDEX,
  NAMED_KIND,
  SPEAKING_HEADS
};
/* Heads of attention that are told where to look: from where an answer is about to point, and
 * from where a name is about to be said. */
enum { POINTING, NAMING, SPEAKING_LOOKS };

/* Sums, and counts of answers. */
typedef struct speaking_score {
  double batches, words, heads, looks; /* losses */
  double rows[SPEAKING_HEADS], right[SPEAKING_HEADS];
  double looked[SPEAKING_LOOKS], looked_right[SPEAKING_LOOKS];
  /* Of turns that ask for what is there, and for what is not: all, and those whose whole answer
   * would be said (each word is the most likely one after the right ones before it). */
  double turns[TURN_KINDS][2], exact[TURN_KINDS][2];
  double phrases, phrases_right; /* of captions: name and index */
  /* Questions that locate what is there: those whose region is the likeliest of the picture's
   * regions, and what chance would give. */
  double located, located_right, located_by_chance;
} speaking_score;

void speaking_tell_losses(const speaking_score *s);
/* One line that begins with `what`. */
void speaking_tell_answers(const char *what, const speaking_score *s);

#endif
