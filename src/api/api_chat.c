/* api_chat.c - gm_chat: turns of a conversation about a scene. */
#include "answers.h"

#include <stdlib.h>

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

/* Puts the question behind the talk, which begins with it if it is the first. */
static gm_status add_question(gm_chat *chat, gm_compute *c, const gm_asked *asked) {
  size_t n = asked->n_boxes, *index = calloc(n + 1, sizeof *index);
  if (!index) return gm_fail_memory(c->err, "the boxes", n * sizeof *index);
  gm_talk *talk = &chat->talk;
  gm_status status;
  if (chat->begun) {
    status = gm_talk_refer(talk, asked->boxes, n, index, c->err);
  } else {
    status = gm_talk_begin(talk, chat->scene->picture, asked->boxes, n, index, c->err);
    chat->begun = status == GM_OK;
  }
  if (status == GM_OK) status = gm_talks_prepare(c, &talk, 1);
  if (status == GM_OK) status = gm_talk_ask(talk, &asked->question, index, c->err);
  free(index);
  return status;
}

/* A turn without an answer is forgotten, its boxes too; before the first answer so is the talk,
 * whose list of regions came from the question. */
static void forget_turn(gm_chat *chat, const gm_talk_mark *before) {
  if (!chat->begun) return;
  if (before->n_said > 0) {
    gm_talk_go_back(&chat->talk, before);
  } else {
    gm_talk_free(&chat->talk);
    chat->begun = false;
  }
}

static gm_status run_turn(gm_chat *chat, gm_compute *c, const gm_asked *asked,
                          const gm_callbacks *callbacks, gm_answer **out) {
  gm_talk_mark before = {0};
  gm_talk *talk = &chat->talk;
  if (chat->begun) GM_TRY(gm_talk_mark_set(&before, talk, c->err));
  gm_status status = add_question(chat, c, asked);
  if (status == GM_OK)
    status = gm_answer_talks(c, &talk, 1, asked, callbacks, chat->turns, out);
  if (*out)
    chat->turns++;
  else
    forget_turn(chat, &before);
  gm_talk_mark_free(&before);
  return status;
}

gm_status gm_chat_ask(gm_chat *chat, const char *question, const gm_ask_params *params,
                      const gm_callbacks *callbacks, gm_answer **out, gm_error *err) {
  *out = NULL;
  gm_asked asked;
  gm_ask_params own;
  gm_callbacks calls;
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  gm_status status = gm_asked_make(&asked, chat->scene, question, &own, err);
  if (status == GM_OK) {
    gm_compute *c = gm_scene_enter(chat->scene, &calls, err);
    status = run_turn(chat, c, &asked, &calls, out);
    gm_scene_leave(chat->scene, status);
  }
  gm_asked_free(&asked);
  return status;
}
