/* api_chat.c - /v1/chat/completions: a conversation about a picture, whole or as events. */
#include "api.h"
#include "results.h"
#include "turns.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct chat {
  srv_job *job;
  const srv_plan *plan;
  out_frame frame;
  srv_words words;
  gm_request *request;
  bool usage; /* stream_options.include_usage */
  int64_t created;
  json_t *grounding; /* of phrases that are closed */
} chat;

static bool prepare(srv_job *job) {
  const char *stops[16];
  size_t n;
  if (!srv_plan_read(job, false) || !srv_plan_flag(job, "stream", &job->stream) ||
      !srv_stops_read(job, stops, &n) || !srv_turns_read(job))
    return false;
  srv_plan *plan = job->plan;
  json_t *count = json_object_get(plan->json, "n");
  if (count && json_number_value(count) != 1) {
    srv_reply_error(job, 400, "bad_argument", "n: wanted 1, one answer");
    return false;
  }
  bool grounding = true;
  if (!srv_plan_flag(job, "grounding", &grounding)) return false;
  plan->ask.no_grounding = !grounding;
  json_t *options = json_object_get(plan->json, "stream_options");
  plan->usage = json_is_true(json_object_get(options, "include_usage"));
  job->question = strdup(plan->texts[plan->n_texts - 1]);
  return true;
}

/* ---- what is sent ---- */

static json_t *usage_json(const srv_job *job) {
  json_int_t prompt = (json_int_t)job->usage.prompt, said = (json_int_t)job->usage.generated;
  return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", prompt, "completion_tokens",
                   said, "total_tokens", prompt + said, "prompt_tokens_details",
                   "cached_tokens", (json_int_t)job->usage.cached);
}

static json_t *head(const chat *c, const char *object) {
  return json_pack("{s:o, s:s, s:I, s:s}", "id", json_sprintf("chatcmpl-%s", c->job->id),
                   "object", object, "created", (json_int_t)c->created, "model", c->job->model);
}

/* Takes delta; finish NULL: not over. */
static void send_delta(const chat *c, json_t *delta, const char *finish) {
  json_t *event = head(c, "chat.completion.chunk");
  json_t *choice = json_pack("{s:i, s:o, s:o}", "index", 0, "delta", delta, "finish_reason",
                             finish ? json_string(finish) : json_null());
  json_object_set_new(event, "choices", json_pack("[o]", choice));
  if (c->plan->usage) json_object_set_new(event, "usage", json_null());
  srv_send_event(c->job, NULL, event);
}

static void send_words(chat *c, size_t from) {
  if (!c->job->stream || c->words.shown <= from) return;
  json_t *text = json_stringn(c->words.text + from, c->words.shown - from);
  if (text) send_delta(c, json_pack("{s:o}", "content", text), NULL);
}

/* A stop is ASCII more often than not, but may begin within a character: hold back to the
 * beginning of one. */
static void add_text(chat *c, const char *piece, size_t n) {
  size_t from = c->words.shown;
  if (!srv_words_add(&c->words, piece, n)) srv_job_cancel(c->job);
  while (c->words.shown > from && c->words.shown < c->words.n &&
         ((unsigned char)c->words.text[c->words.shown] & 0xc0) == 0x80)
    c->words.shown--;
  if (c->words.shown < from) c->words.shown = from;
  send_words(c, from);
  if (c->words.stopped) gm_request_cancel(c->request);
}

static void add_phrase(chat *c, const gm_event *event) {
  if (c->words.stopped && event->span_end > c->words.n) return;
  json_t *regions = json_array();
  for (size_t i = 0; i < event->n_regions; i++) {
    gm_region region = {.struct_size = sizeof region};
    if (gm_event_region_at(event, i, &region) == GM_OK)
      json_array_append_new(regions, out_json_region(&c->frame, &region));
  }
  json_t *one = json_pack("{s:s, s:[I,I], s:o, s:b, s:o}", "phrase", event->text, "span",
                          (json_int_t)event->span_begin, (json_int_t)event->span_end, "present",
                          out_json_number((double)event->present), "calibrated",
                          event->calibrated, "regions", regions);
  if (c->job->stream) send_delta(c, json_pack("{s:[O]}", "grounding", one), NULL);
  json_array_append_new(c->grounding, one);
}

static void on_event(void *user, const gm_event *event) {
  chat *c = user;
  if (event->type == GM_EVENT_TEXT) add_text(c, event->text, event->length);
  if (event->type == GM_EVENT_PHRASE) add_phrase(c, event);
}

static json_t *images_json(const chat *c) {
  return json_pack("[{s:o, s:I, s:I}]", "id", json_sprintf("sha256:%s", c->plan->picture->id),
                   "width", (json_int_t)c->frame.width, "height", (json_int_t)c->frame.height);
}

static void finish(chat *c, const gm_answer *answer, const gm_scene *scene) {
  const srv_models *models = &c->job->server->models;
  const char *why = c->words.stopped || (answer && answer->complete) ? "stop" : "length";
  json_t *last;
  size_t from = c->words.shown;
  srv_words_end(&c->words);
  if (c->job->stream) {
    send_words(c, from);
    send_delta(c, json_object(), why);
    if (c->plan->usage) {
      last = head(c, "chat.completion.chunk");
      json_object_set_new(last, "choices", json_array());
      json_object_set_new(last, "usage", usage_json(c->job));
      json_object_set_new(last, "images", images_json(c));
      srv_send_event(c->job, NULL, last);
    }
    srv_send_raw(c->job, "data: [DONE]\n\n");
    return;
  }
  last = head(c, "chat.completion");
  json_t *text = json_stringn(c->words.text ? c->words.text : "", c->words.n);
  json_t *message = json_pack("{s:s, s:o, s:O}", "role", "assistant", "content",
                              text ? text : json_string(""), "grounding", c->grounding);
  json_object_set_new(last, "choices",
                      json_pack("[{s:i, s:o, s:n, s:s}]", "index", 0, "message", message,
                                "logprobs", "finish_reason", why));
  json_object_set_new(last, "usage", usage_json(c->job));
  json_object_set_new(last, "images", images_json(c));
  out_json_add_scope(last, c->job->model, models->scopes[c->plan->model],
                     gm_scene_unlikeness(scene));
  srv_reply_json(c->job, 200, last);
}

/* ---- the turns ---- */

/* Earlier answers are the model's own: it gives them again, so that they stand in the
 * conversation as it said them, tags included. False after an answer. */
static bool repeat(chat *c, gm_chat *talk, size_t turn) {
  gm_error err = {0};
  gm_request *request;
  gm_answer *answer = NULL;
  gm_request_params how = gm_request_params_default();
  how.timeout = srv_job_time(c->job);
  gm_status status =
      gm_request_chat(&request, talk, c->plan->texts[turn], &c->plan->ask, &how, &err);
  if (status == GM_OK) {
    srv_job_wait(c->job, request, NULL, NULL);
    status = gm_request_take_answer(request, &answer, &err);
    gm_request_free(request);
  }
  bool same = answer && strcmp(answer->text, c->plan->texts[turn + 1]) == 0;
  gm_answer_free(answer);
  if (status == GM_OK && same) return true;
  if (status == GM_OK)
    srv_reply_error(c->job, 400, "bad_argument",
                    "messages: answer %zu is not what this model says to its question with "
                    "these settings; send answers back unchanged",
                    turn / 2 + 1);
  else
    srv_reply_failure(c->job, &err);
  return false;
}

static bool read_boxes(chat *c, gm_ask_params *ask, gm_box **boxes) {
  if (!srv_plan_boxes(c->job, "boxes", c->frame.width, c->frame.height, boxes, &ask->n_boxes))
    return false;
  ask->boxes = *boxes;
  return true;
}

static void answer_last(chat *c, gm_chat *talk, const gm_scene *scene) {
  gm_error err = {0};
  gm_answer *answer = NULL;
  gm_box *boxes = NULL;
  gm_ask_params ask = c->plan->ask;
  gm_request_params how = gm_request_params_default();
  how.timeout = srv_job_time(c->job);
  const char *question = c->plan->texts[c->plan->n_texts - 1];
  if (!read_boxes(c, &ask, &boxes)) {
    free(boxes);
    return;
  }
  gm_status status = gm_request_chat(&c->request, talk, question, &ask, &how, &err);
  free(boxes);
  if (status == GM_OK) {
    if (c->job->stream)
      send_delta(c, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL);
    srv_job_wait(c->job, c->request, on_event, c);
    status = gm_request_take_answer(c->request, &answer, &err);
    gm_request_free(c->request);
  }
  bool stopped = status == GM_ERR_CANCELLED && c->words.stopped;
  if (status == GM_OK || stopped || (status == GM_ERR_CONTEXT_FULL && answer))
    finish(c, answer, scene);
  else
    srv_reply_failure(c->job, &err);
  gm_answer_free(answer);
}

static void converse(chat *c, gm_scene *scene) {
  gm_error err = {0};
  gm_chat *talk = NULL;
  if (gm_chat_create(&talk, scene, &err) != GM_OK) {
    srv_reply_failure(c->job, &err);
    return;
  }
  bool ok = true;
  for (size_t turn = 0; ok && turn + 1 < c->plan->n_texts; turn += 2)
    ok = repeat(c, talk, turn);
  c->job->usage = (gm_usage){.struct_size = sizeof c->job->usage};
  if (ok) answer_last(c, talk, scene);
  gm_chat_free(talk);
}

static void run(srv_job *job) {
  const char *stops[16];
  chat c = {.job = job, .plan = job->plan, .created = time(NULL), .grounding = json_array()};
  c.words.stops = stops;
  gm_image *image = srv_stops_read(job, stops, &c.words.n_stops) ? srv_plan_decode(job) : NULL;
  gm_scene *scene = NULL;
  if (image) {
    c.frame = srv_plan_frame(c.plan, image);
    scene = srv_plan_scene(job, image);
  }
  srv_plan_give_back(job, image);
  if (scene) converse(&c, scene);
  gm_scene_free(scene);
  json_decref(c.grounding);
  free(c.words.text);
}

const srv_work srv_chat_completions = {"chat", prepare, run, srv_plan_free, NULL, false};
