/* answers.h - a question that is asked of a scene, and the answer while it comes: what caption,
 * chat and describe share. */
#ifndef GM_ANSWERS_H
#define GM_ANSWERS_H

#include "given.h"
#include "grounded_text.h"
#include "handles.h"
#include "sampler.h"

/* A question as the caller gave it, checked and copied: its ids and its boxes. */
typedef struct gm_asked {
  gm_scene *scene; /* that it is about */
  gm_question question;
  gm_rel_box *boxes; /* [n_boxes] */
  size_t n_boxes;
  uint32_t max_tokens;
  gm_sampling sampling;
  gm_given_ids given; /* the answer, instead of the model's own; empty: there is none */
} gm_asked;

/* params have been read. Errors: GM_ERR_ARGUMENT, GM_ERR_MEMORY; free in any case. */
gm_status gm_asked_make(gm_asked *out, gm_scene *scene, const char *text,
                        const gm_ask_params *params, gm_error *err);
void gm_asked_free(gm_asked *asked);

/* What is called while an answer comes. */
typedef struct gm_listener {
  void *user;
  void (*text)(void *user, const char *text, size_t length);
  void (*progress)(void *user, const char *stage, double done);
  /* A phrase that nothing can be added to; g has its regions. */
  void (*phrase)(void *user, const gm_grounded_text *g, const gm_grounded_phrase *phrase);
} gm_listener;

/* An answer while it comes. */
typedef struct gm_answering {
  const gm_asked *asked;
  gm_talk *talk; /* with the question in it */
  gm_listener listener;
  gm_sampler sampler;
  gm_grounded_text parser;
  gm_ids ids;
  bool complete;
} gm_answering;

/* listener may be NULL. turn tells the sampling of a conversation's turns apart. Free it in any
 * case. Errors: GM_ERR_ARGUMENT (sampling), GM_ERR_MEMORY. */
gm_status gm_answering_begin(gm_answering *a, const gm_asked *asked, gm_talk *talk,
                             const gm_listener *listener, uint64_t turn, gm_error *err);
/* A voice's gm_next_fn; user: gm_answering. */
gm_status gm_answering_next(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                            gm_error *err);
/* What was said so far, as a result; *out NULL where nothing was. */
gm_status gm_answering_finish(gm_answering *a, gm_answer **out, gm_error *err);
void gm_answering_free(gm_answering *a);

/* GM_ERR_CONTEXT_FULL, with what to do about it. */
gm_status gm_answering_full(const gm_answering *a, gm_error *err);

#endif
