/* answers.h - questions asked of a scene and their answers put into words: what caption, chat
 * and describe share. */
#ifndef GM_ANSWERS_H
#define GM_ANSWERS_H

#include "handles.h"
#include "talk.h"

/* Answers the last question of n talks as one batch; answers[i] is talk i's. stream tells the
 * sampling of several turns apart. The text callback is used where n is 1.
 * GM_ERR_CONTEXT_FULL and GM_ERR_CANCELLED: answers that have begun are given as far as they
 * came, the others are NULL. Any other failure: all are NULL. */
gm_status gm_answer_talks(gm_scene *scene, gm_compute *c, gm_talk *const *talks, size_t n,
                          const gm_ask_params *params, const gm_callbacks *callbacks,
                          uint64_t stream, gm_answer **answers);

#endif
