/* turns.h - what a scene teaches in words: a grounded caption, or questions about its objects
 * and about things that are not there. */
#ifndef GM_TRAINING_TURNS_H
#define GM_TRAINING_TURNS_H

#include "rng.h"
#include "sample.h"
#include "seen.h"

typedef enum turn_kind {
  TURN_CAPTION,
  TURN_LOCATE,
  TURN_FIND_ALL,
  TURN_NAME,
  TURN_ASK
} turn_kind;
enum { TURN_KINDS = 5, MAX_TURNS = 10 };

typedef struct turn_facts {
  turn_kind kind;
  bool absent; /* the picture has no such thing */
  /* The kinds of things in the order in which the answer names or points to them; of an absent
   * thing, the kind that is asked for (-1: not known). */
  ptrdiff_t kinds[SEEN_REGIONS];
  size_t n;
  ptrdiff_t region; /* ask, name: the region meant, in the lesson's order; -1: none */
} turn_facts;

/* A sample whose proposals are the scene's regions in an order of its own. */
typedef struct lesson {
  size_t order[SEEN_REGIONS];     /* the region of each index token */
  gm_rel_box boxes[SEEN_REGIONS]; /* in that order */
  float scores[SEEN_REGIONS];     /* so that the order stays */
  ptrdiff_t kinds[SEEN_REGIONS];  /* of the object that each shows; -1: none */
  size_t n;
  gm_sample sample;
  turn_facts facts[MAX_TURNS]; /* [sample.n_turns] */
} lesson;

/* Both may give a lesson of no turns, where the scene has nothing to be asked. Text and boxes
 * lie in the arena. GM_ERR_MEMORY. */
gm_status lesson_caption(lesson *out, const scenes *s, const scene *sc, const seen *saw,
                         gm_rng *rng, gm_arena *arena, gm_error *err);
/* Each object is answered for at most once, so that no answer can be copied from another. */
gm_status lesson_questions(lesson *out, const scenes *s, const scene *sc, const seen *saw,
                           size_t most, gm_rng *rng, gm_arena *arena, gm_error *err);

#endif
