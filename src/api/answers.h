/* answers.h - questions asked of a scene and their answers put into words: what caption, chat
 * and describe share. */
#ifndef GM_ANSWERS_H
#define GM_ANSWERS_H

#include "handles.h"
#include "sampler.h"
#include "talk.h"

/* A question as the caller gave it, checked: its ids and its boxes. */
typedef struct gm_asked {
  gm_scene *scene; /* that it is about */
  gm_question question;
  gm_rel_box *boxes; /* [n_boxes] */
  size_t n_boxes;
  gm_sampling sampling;
  uint32_t max_tokens; /* 0: no limit */
} gm_asked;

/* params have been read. Errors: GM_ERR_ARGUMENT, GM_ERR_MEMORY; free in any case. */
gm_status gm_asked_make(gm_asked *out, gm_scene *scene, const char *text,
                        const gm_ask_params *params, gm_error *err);
void gm_asked_free(gm_asked *asked);

/* Answers the last question of n talks as one batch; answers[i] is talk i's, asked with
 * asked[i]. The talks may be about several scenes of one model, whose turn c is. turn tells the
 * sampling of a conversation's turns apart. The text callback is used where n is 1.
 * GM_ERR_CONTEXT_FULL and GM_ERR_CANCELLED: answers that have begun are given as far as they
 * came, the others are NULL. Any other failure: all are NULL. */
gm_status gm_answer_talks(gm_compute *c, gm_talk *const *talks, size_t n, const gm_asked *asked,
                          const gm_callbacks *callbacks, uint64_t turn, gm_answer **answers);

#endif
