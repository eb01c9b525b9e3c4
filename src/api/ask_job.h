/* ask_job.h - questions about scenes of one model as a job of the engine. */
#ifndef GM_ASK_JOB_H
#define GM_ASK_JOB_H

#include "answers.h"

/* Questions that are prepared and answered together: as many as one step computes. */
enum { GM_ASK_BATCH = GM_STEP_VOICES };

/* Zero-initialised but for the first members, which belong to the caller and outlive the job.
 */
typedef struct gm_ask_job {
  gm_job job;
  const gm_asked *asked; /* [n], of scenes of one model */
  size_t n;
  gm_answer **answers; /* [n] */
  /* Told of the only question's phrases; user is the job. May be NULL. */
  void (*phrase)(void *user, const gm_grounded_text *g, const gm_grounded_phrase *phrase);

  /* Of the batch asked[at, at + some). */
  size_t at, some;
  gm_talk talks[GM_ASK_BATCH];
  gm_answering answering[GM_ASK_BATCH];
  gm_voice voices[GM_ASK_BATCH];
  size_t n_talks, n_answering;
  bool ready[GM_ASK_BATCH]; /* the picture's beginning was there before */
  bool full;                /* the context was too short for at least one */
} gm_ask_job;

/* Fills in what the engine asks for. */
void gm_ask_job_init(gm_ask_job *job, const gm_asked *asked, size_t n, gm_answer **answers);

/* A turn of a conversation as a job. */
typedef struct gm_turn_job {
  gm_job job;
  gm_chat *chat;
  const gm_asked *asked; /* the caller's, which outlives the job */
  gm_answer **out;
  void (*phrase)(void *user, const gm_grounded_text *g, const gm_grounded_phrase *phrase);
  bool begun; /* the conversation may have changed */
  gm_talk_mark before;
  gm_answering answering;
  gm_voice voice;
} gm_turn_job;

void gm_turn_job_init(gm_turn_job *job, gm_chat *chat, const gm_asked *asked, gm_answer **out);
/* A turn's question, and the answer that is given (NULL: none). Free it in any case. */
gm_status gm_asked_turn(gm_asked *out, gm_chat *chat, const char *question,
                        const gm_ask_params *params, const gm_given *given, gm_error *err);
gm_scene *gm_chat_scene(const gm_chat *chat);
/* Takes the conversation for a turn; the job's collect gives it back, or gm_chat_end where the
 * job never began. GM_ERR_ARGUMENT where another turn is not over. */
gm_status gm_chat_begin(gm_chat *chat, gm_error *err);
void gm_chat_end(gm_chat *chat);

/* Whether answers are given as far as they came. */
bool gm_keeps_answers(gm_status status);

/* Puts the pictures' beginnings under talks that have begun, one picture after another; the
 * progress of it goes to the job. */
gm_status gm_prepare_talks(gm_job *job, gm_compute *c, const gm_asked *asked,
                           gm_talk *const *talks, size_t n);

#endif
