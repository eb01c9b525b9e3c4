/* api_chat.c - caption, chat and describe: questions in words, answers in words. */
#include "answers.h"

#include <stdlib.h>
#include <string.h>

static const char CAPTION[] = "Give me a concise description of the image.";
static const char DESCRIBE_BRIEFLY[] = "What is {1}?";
static const char DESCRIBE_AT_LENGTH[] = "Please describe {1} in details.";

enum { DESCRIBE_BATCH = 8 }; /* boxes at once: each has a cache of its own behind the image */

struct gm_chat {
  gm_scene *scene;
  gm_talk talk;
  bool begun;
  uint64_t turns;
};

gm_status gm_chat_create(gm_chat **out, gm_scene *scene, gm_error *err) {
  *out = calloc(1, sizeof **out);
  if (!*out) return gm_fail_memory(err, "the conversation", sizeof **out);
  (*out)->scene = scene;
  return GM_OK;
}

void gm_chat_free(gm_chat *chat) {
  if (!chat) return;
  if (chat->begun) gm_talk_free(&chat->talk);
  free(chat);
}

/* ---- one turn ---- */

static gm_status encode_question(const gm_chat *chat, const char *question,
                                 const gm_ask_params *params, gm_question *out, gm_error *err) {
  const gm_prompt *prompt = chat->scene->model->groma->prompt;
  if (params->verbatim)
    return gm_question_verbatim(out, prompt, question, params->n_boxes, err);
  return gm_question_typed(out, prompt, question, !params->no_grounding, params->n_boxes, err);
}

/* Puts the question behind the talk, which begins with it if it is the first. */
static gm_status add_question(gm_chat *chat, gm_compute *c, const gm_question *question,
                              const gm_rel_box *boxes, size_t n_boxes) {
  size_t *index = calloc(n_boxes + 1, sizeof *index);
  if (!index) return gm_fail_memory(c->err, "the boxes", n_boxes * sizeof *index);
  gm_talk *talk = &chat->talk;
  gm_status status;
  if (chat->begun) {
    status = gm_talk_refer(talk, boxes, n_boxes, index, c->err);
  } else {
    status = gm_talk_begin(talk, chat->scene->picture, boxes, n_boxes, index, c->err);
    chat->begun = status == GM_OK;
  }
  if (status == GM_OK) status = gm_talks_prepare(c, &talk, 1);
  if (status == GM_OK) status = gm_talk_ask(talk, question, index, c->err);
  free(index);
  return status;
}

/* A turn without an answer is forgotten; before the first answer so is the talk, whose list of
 * regions came from the question. */
static void forget_turn(gm_chat *chat, size_t n_said) {
  if (!chat->begun) return;
  if (n_said > 0) {
    gm_talk_rewind(&chat->talk, n_said);
  } else {
    gm_talk_free(&chat->talk);
    chat->begun = false;
  }
}

static gm_status run_turn(gm_chat *chat, gm_compute *c, const gm_question *question,
                          const gm_rel_box *boxes, const gm_ask_params *params,
                          const gm_callbacks *callbacks, gm_answer **out) {
  size_t n_said = chat->begun ? chat->talk.said.n : 0;
  gm_talk *talk = &chat->talk;
  gm_status status = add_question(chat, c, question, boxes, params->n_boxes);
  if (status == GM_OK)
    status = gm_answer_talks(chat->scene, c, &talk, 1, params, callbacks, chat->turns, out);
  if (*out)
    chat->turns++;
  else
    forget_turn(chat, n_said);
  return status;
}

gm_status gm_chat_ask(gm_chat *chat, const char *question, const gm_ask_params *params,
                      const gm_callbacks *callbacks, gm_answer **out, gm_error *err) {
  gm_ask_params defaults = gm_ask_params_default();
  if (!params) params = &defaults;
  *out = NULL;
  gm_question encoded = {0};
  gm_rel_box *boxes = NULL;
  gm_status status = encode_question(chat, question, params, &encoded, err);
  if (status == GM_OK)
    status = gm_scene_boxes_to_rel(chat->scene, params->boxes, params->n_boxes, &boxes, err);
  if (status == GM_OK) {
    gm_compute *c = gm_scene_enter(chat->scene, callbacks, err);
    status = run_turn(chat, c, &encoded, boxes, params, callbacks, out);
    gm_scene_leave(chat->scene, status);
  }
  free(boxes);
  gm_question_free(&encoded);
  return status;
}

gm_status gm_caption(gm_scene *scene, const gm_ask_params *params,
                     const gm_callbacks *callbacks, gm_answer **out, gm_error *err) {
  *out = NULL;
  gm_ask_params asked = params ? *params : gm_ask_params_default();
  if (asked.n_boxes > 0)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu boxes for a caption, which is of the whole picture; describe or "
                   "chat take boxes",
                   asked.n_boxes);
  asked.verbatim = false;
  gm_chat *chat;
  GM_TRY(gm_chat_create(&chat, scene, err));
  gm_status status = gm_chat_ask(chat, CAPTION, &asked, callbacks, out, err);
  gm_chat_free(chat);
  return status;
}

/* ---- describe ---- */

/* Boxes [n] as one batch, n <= DESCRIBE_BATCH, each a talk of its own. */
static gm_status describe_batch(gm_scene *scene, gm_compute *c, const gm_question *question,
                                const gm_rel_box *boxes, size_t n, const gm_ask_params *params,
                                const gm_callbacks *callbacks, gm_answer **answers) {
  gm_talk talks[DESCRIBE_BATCH], *each[DESCRIBE_BATCH];
  size_t index[DESCRIBE_BATCH], begun = 0;
  gm_status status = GM_OK;
  for (; begun < n && status == GM_OK; begun += status == GM_OK) {
    each[begun] = &talks[begun];
    status =
        gm_talk_begin(&talks[begun], scene->picture, &boxes[begun], 1, &index[begun], c->err);
  }
  if (status == GM_OK) status = gm_talks_prepare(c, each, n);
  for (size_t i = 0; i < n && status == GM_OK; i++)
    status = gm_talk_ask(&talks[i], question, &index[i], c->err);
  if (status == GM_OK)
    status = gm_answer_talks(scene, c, each, n, params, callbacks, 0, answers);
  for (size_t i = 0; i < begun; i++) gm_talk_free(&talks[i]);
  return status;
}

static gm_status describe_all(gm_scene *scene, const gm_question *question,
                              const gm_rel_box *boxes, size_t n, const gm_ask_params *params,
                              const gm_callbacks *callbacks, gm_answer **answers,
                              gm_error *err) {
  gm_status status = GM_OK, cut = GM_OK;
  gm_compute *c = gm_scene_enter(scene, callbacks, err);
  for (size_t i = 0; i < n && status == GM_OK; i += DESCRIBE_BATCH) {
    size_t some = n - i < DESCRIBE_BATCH ? n - i : DESCRIBE_BATCH;
    status =
        describe_batch(scene, c, question, boxes + i, some, params, callbacks, answers + i);
    if (status != GM_ERR_CONTEXT_FULL) continue;
    cut = status;
    status = GM_OK;
  }
  if (status == GM_OK) status = cut;
  return gm_scene_leave(scene, status);
}

gm_status gm_describe(gm_scene *scene, const gm_box *boxes, size_t n, bool long_form,
                      const gm_ask_params *params, const gm_callbacks *callbacks,
                      gm_answer **answers, gm_error *err) {
  gm_ask_params defaults = gm_ask_params_default();
  for (size_t i = 0; i < n; i++) answers[i] = NULL;
  if (n == 0) return gm_fail(err, GM_ERR_ARGUMENT, "found no box to describe, wanted some");
  gm_question question = {0};
  gm_rel_box *rel = NULL;
  gm_status status =
      gm_question_typed(&question, scene->model->groma->prompt,
                        long_form ? DESCRIBE_AT_LENGTH : DESCRIBE_BRIEFLY, false, 1, err);
  if (status == GM_OK) status = gm_scene_boxes_to_rel(scene, boxes, n, &rel, err);
  if (status == GM_OK)
    status = describe_all(scene, &question, rel, n, params ? params : &defaults, callbacks,
                          answers, err);
  for (size_t i = 0; i < n && status != GM_OK && status != GM_ERR_CONTEXT_FULL; i++) {
    gm_answer_free(answers[i]);
    answers[i] = NULL;
  }
  free(rel);
  gm_question_free(&question);
  return status;
}
