/* lesson.h - A LOOK AT A PICTURE + PROPOSALS -> SEQUENCES: what the language model is taught
 * about it.
 *
 *   a caption     its objects' names in the order of their index tokens, and the background
 *   descriptions  what is in a box, for some of its objects
 *   places        where a phrase is: the user's own, a name, a place where a name is there
 *                 twice; some of what is not there, whose answer is <roi></roi> */
#ifndef GM_LESSON_H
#define GM_LESSON_H

#include "sequence.h"
#include "tune_look.h"

enum { GM_LESSON_SEQUENCES = 3 };

typedef struct gm_lesson {
  gm_sequence sequences[GM_LESSON_SEQUENCES];
  size_t n; /* 0 where there is nothing to say */
} gm_lesson;

typedef struct gm_lesson_rule {
  gm_sequence_rule sequence;
  const char *const *names; /* [n_names] with articles: what may be there */
  size_t n_names;
  bool single; /* one of the three, at random, for models whose sequences cost most */
} gm_lesson_rule;

/* Scratch comes from the arena. GM_ERR_ARGUMENT where a name holds a token of the model's own,
 * GM_ERR_MEMORY. After a failure out is empty. */
gm_status gm_lesson_make(gm_lesson *out, const gm_lesson_rule *rule, const gm_prompt *prompt,
                         const gm_look *look, const gm_proposals *proposals, gm_rng *rng,
                         gm_arena *arena, gm_error *err);
void gm_lesson_free(gm_lesson *lesson);

#endif
