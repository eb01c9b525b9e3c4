/* api_chat.c - gm_chat: turns of a conversation about a scene. */
#include "ask_job.h"

#include <stdlib.h>

struct gm_chat {
  gm_scene *scene;
  gm_talk talk;
  bool begun;
  uint64_t turns;
  atomic_bool busy; /* a turn has been submitted and is not over */
  size_t bytes;     /* of its own keys and values, as the engine counts them between turns */
};

/* While a turn runs its voice counts them. */
static void count_bytes(gm_chat *chat, size_t bytes) {
  gm_engine *engine = chat->scene->model->base.engine;
  atomic_fetch_add(&engine->voice_bytes, (uint64_t)bytes - (uint64_t)chat->bytes);
  chat->bytes = bytes;
}

gm_status gm_chat_create(gm_chat **out, gm_scene *scene, gm_error *err) {
  *out = calloc(1, sizeof **out);
  if (!*out) return gm_fail_memory(err, "the conversation", sizeof **out);
  (*out)->scene = gm_scene_hold(scene);
  (void)gm_model_hold(scene->model);
  return GM_OK;
}

void gm_chat_free(gm_chat *chat) {
  if (!chat) return;
  gm_model *model = chat->scene->model;
  count_bytes(chat, 0);
  if (chat->begun) gm_talk_free(&chat->talk);
  gm_scene_free(chat->scene);
  gm_model_free(model);
  free(chat);
}

/* ---- a turn as a job ---- */

gm_status gm_chat_begin(gm_chat *chat, gm_error *err) {
  if (!atomic_exchange(&chat->busy, true)) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "found a conversation whose last question is not answered yet; wait for that "
                 "request first");
}

void gm_chat_end(gm_chat *chat) {
  atomic_store(&chat->busy, false);
}

/* Puts the question after the talk, which begins with it if it is the first. */
static gm_status add_question(gm_turn_job *t, gm_compute *c) {
  gm_chat *chat = t->chat;
  const gm_asked *asked = t->asked;
  size_t n = asked->n_boxes, *index = calloc(n + 1, sizeof *index);
  if (!index) return gm_fail_memory(c->err, "the boxes", n * sizeof *index);
  gm_talk *talk = &chat->talk;
  gm_status status;
  if (chat->begun) {
    status = gm_talk_refer(talk, asked->boxes, n, index, c->err);
  } else {
    status = gm_talk_begin(talk, chat->scene->encoding, asked->boxes, n, index, c->err);
    chat->begun = status == GM_OK;
  }
  if (status == GM_OK) status = gm_prepare_talks(&t->job, c, asked, &talk, 1);
  if (status == GM_OK) status = gm_talk_ask(talk, &asked->question, index, c->err);
  free(index);
  return status;
}

/* The list of regions is known with the question. */
static gm_status check_given(const gm_turn_job *t, gm_error *err) {
  size_t wanted = t->asked->given.n_regions, n = t->chat->talk.list.n;
  if (wanted <= n) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "found region %zu in the answer, but this picture has %zu regions, from 0; "
                 "give the answer to the picture and settings that it belongs to",
                 wanted - 1, n);
}

static gm_status run(gm_job *job, gm_compute *c) {
  gm_turn_job *t = (gm_turn_job *)job;
  gm_chat *chat = t->chat;
  const gm_listener listener = {.user = job,
                                .text = job->inner.text,
                                .progress = job->inner.progress,
                                .phrase = t->phrase};
  if (chat->begun) GM_TRY(gm_talk_mark_set(&t->before, &chat->talk, c->err));
  t->begun = true;
  count_bytes(chat, 0);
  bool was_ready = gm_encoding_ready(chat->scene->encoding);
  GM_TRY(add_question(t, c));
  GM_TRY(check_given(t, c->err));
  GM_TRY(
      gm_answering_begin(&t->answering, t->asked, &chat->talk, &listener, chat->turns, c->err));
  t->voice = (gm_voice){.talk = &chat->talk,
                        .next = gm_answering_next,
                        .user = &t->answering,
                        .ready = was_ready ? SIZE_MAX : 0};
  gm_job_speak(job, &t->voice);
  return GM_OK;
}

/* A turn without an answer is forgotten with its boxes; before the first answer so is the talk,
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

static gm_status collect(gm_job *job, gm_error *err, gm_status status, bool *more) {
  gm_turn_job *t = (gm_turn_job *)job;
  *more = false;
  if (t->voice.status == GM_ERR_CONTEXT_FULL) (void)gm_answering_full(&t->answering, err);
  if (gm_keeps_answers(status) && t->answering.talk) {
    gm_status made = gm_answering_finish(&t->answering, t->out, err);
    if (made != GM_OK) status = made;
  }
  if (*t->out)
    t->chat->turns++;
  else if (t->begun)
    forget_turn(t->chat, &t->before);
  if (t->begun) count_bytes(t->chat, t->chat->begun ? gm_kv_own_memory(&t->chat->talk.seq) : 0);
  gm_answering_free(&t->answering);
  gm_talk_mark_free(&t->before);
  gm_chat_end(t->chat);
  return status;
}

static bool ready(const gm_job *job) {
  const gm_turn_job *t = (const gm_turn_job *)job;
  return t->asked->n_boxes == 0 && gm_encoding_ready(t->chat->scene->encoding);
}

void gm_turn_job_init(gm_turn_job *job, gm_chat *chat, const gm_asked *asked, gm_answer **out) {
  const gm_model *model = chat->scene->model;
  *job = (gm_turn_job){.chat = chat, .asked = asked, .out = out};
  job->job.kernels = model->base.kernels;
  job->job.run = run;
  job->job.collect = collect;
  job->job.ready = ready;
  *out = NULL;
}

gm_scene *gm_chat_scene(const gm_chat *chat) {
  return chat->scene;
}

gm_status gm_asked_turn(gm_asked *out, gm_chat *chat, const char *question,
                        const gm_ask_params *params, const gm_given *given, gm_error *err) {
  gm_scene *scene = chat->scene;
  GM_TRY(gm_asked_make(out, scene, question, params, err));
  return given ? gm_given_read(&out->given, scene->model->groma->prompt, given, err) : GM_OK;
}

/* given: NULL, or the answer. */
static gm_status turn(gm_chat *chat, const char *question, const gm_ask_params *params,
                      const gm_given *given, const gm_callbacks *callbacks, gm_answer **out,
                      gm_error *err) {
  gm_asked asked;
  gm_ask_params own;
  gm_callbacks calls;
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  gm_status status = gm_asked_turn(&asked, chat, question, &own, given, err);
  if (status == GM_OK) status = gm_chat_begin(chat, err);
  if (status == GM_OK) {
    gm_turn_job job;
    gm_turn_job_init(&job, chat, &asked, out);
    job.job.callbacks = &calls;
    status = gm_job_do(chat->scene->model->base.engine, &job.job, err);
    if (job.job.state == GM_JOB_NEW) gm_chat_end(chat); /* it did not begin */
  }
  gm_asked_free(&asked);
  return status;
}

gm_status gm_chat_ask(gm_chat *chat, const char *question, const gm_ask_params *params,
                      const gm_callbacks *callbacks, gm_answer **out, gm_error *err) {
  *out = NULL;
  return turn(chat, question, params, NULL, callbacks, out, err);
}

gm_status gm_chat_give(gm_chat *chat, const char *question, const gm_ask_params *params,
                       const gm_given *answer, const gm_callbacks *callbacks, gm_answer **out,
                       gm_error *err) {
  *out = NULL;
  if (!answer) return gm_fail(err, GM_ERR_ARGUMENT, "found no answer, wanted one to give");
  return turn(chat, question, params, answer, callbacks, out, err);
}
