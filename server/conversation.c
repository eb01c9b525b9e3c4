/* conversation.c - see conversation.h. */
#include "conversation.h"

#include "extras.h"
#include "given.h"
#include "results.h"
#include "turns.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what is asked ---- */

static bool check_members(srv_job *job, const srv_protocol *protocol) {
  const char *name;
  const srv_plan *plan = job->plan;
  if (srv_extras_check(plan->json, protocol->known, protocol->harmless, &name)) return true;
  srv_reply_error(job, 400, "bad_argument",
                  "found the member '%.100s', or a value of it, that is not acted on here; "
                  "leave it out: docs/SERVER.md lists what is",
                  name);
  return false;
}

static bool read_limit(srv_job *job, const srv_protocol *protocol) {
  double most = 0;
  srv_plan *plan = job->plan;
  if (!protocol->most_tokens) return true;
  if (!srv_plan_number(job, protocol->most_tokens, &most)) return false;
  if (most > 0) plan->ask.max_tokens = (uint32_t)most;
  return true;
}

static bool read_stops(srv_job *job, const srv_protocol *protocol,
                       const char *stops[SRV_MAX_STOPS], size_t *n) {
  *n = 0;
  return !protocol->stops || srv_stops_read(job, protocol->stops, stops, n);
}

bool srv_conversation_prepare(srv_job *job, const srv_protocol *protocol) {
  const char *stops[SRV_MAX_STOPS];
  size_t n;
  bool grounding = true;
  if (!srv_plan_read(job, false) || !check_members(job, protocol) ||
      !srv_plan_flag(job, "stream", &job->stream) ||
      !srv_plan_flag(job, "grounding", &grounding) || !read_limit(job, protocol) ||
      !read_stops(job, protocol, stops, &n) ||
      !srv_turns_read(job, protocol->turns, protocol->system))
    return false;
  srv_plan *plan = job->plan;
  plan->ask.no_grounding = !grounding;
  job->question = strdup(plan->texts[plan->n_texts - 1]);
  return true;
}

/* ---- what is said ---- */

json_t *srv_conversation_text(const srv_conversation *c) {
  json_t *text = json_stringn(c->words.text ? c->words.text : "", c->words.n);
  return text ? text : json_string("");
}

json_t *srv_conversation_images(const srv_conversation *c) {
  return json_pack("[{s:o, s:I, s:I}]", "id", json_sprintf("sha256:%s", c->plan->picture->id),
                   "width", (json_int_t)c->frame.width, "height", (json_int_t)c->frame.height);
}

void srv_conversation_add_scope(const srv_conversation *c, json_t *answer) {
  const srv_models *models = &c->job->server->models;
  json_object_set_new(answer, "images", srv_conversation_images(c));
  out_json_add_scope(answer, c->job->model, models->scopes[c->plan->model], c->unlikeness);
}

static void send_words(srv_conversation *c, size_t from) {
  if (c->job->stream && c->words.shown > from)
    c->protocol->said(c, c->words.text + from, c->words.shown - from);
}

static void add_text(srv_conversation *c, const char *piece, size_t n) {
  size_t from = c->words.shown;
  if (!srv_words_add(&c->words, piece, n)) srv_job_cancel(c->job);
  send_words(c, from);
  if (c->words.stopped) gm_request_cancel(c->request);
}

static void add_phrase(srv_conversation *c, const gm_event *event) {
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
  if (c->job->stream) c->protocol->phrase(c, one);
  json_array_append_new(c->grounding, one);
}

static void on_event(void *user, const gm_event *event) {
  srv_conversation *c = user;
  if (event->type == GM_EVENT_TEXT) add_text(c, event->text, event->length);
  if (event->type == GM_EVENT_PHRASE) add_phrase(c, event);
}

static void finish(srv_conversation *c, const gm_answer *answer) {
  size_t from = c->words.shown;
  c->complete = c->words.stopped || (answer && answer->complete);
  srv_words_end(&c->words);
  send_words(c, from);
  if (c->job->stream)
    c->protocol->end(c);
  else
    srv_reply_json(c->job, 200, c->protocol->whole(c));
}

/* ---- the turns ---- */

/* An earlier turn, with its answer. False after an answer to the request. */
static bool give(srv_conversation *c, gm_chat *talk, size_t turn) {
  gm_error err = {0};
  gm_request *request;
  gm_answer *answer = NULL;
  srv_given given;
  gm_request_params how = gm_request_params_default();
  how.timeout = srv_job_time(c->job);
  bool made = srv_given_make(&given, c->plan->texts[turn + 1],
                             json_array_get(c->plan->given, turn + 1));
  gm_status status = err.status = made ? GM_OK : GM_ERR_MEMORY;
  if (status == GM_OK)
    status = gm_request_give(&request, talk, c->plan->texts[turn], &c->plan->ask, &given.given,
                             &how, &err);
  if (status == GM_OK) {
    srv_job_wait(c->job, request, NULL, NULL);
    if (turn == 0) c->ready = c->job->usage.cached;
    status = gm_request_take_answer(request, &answer, &err);
    gm_request_free(request);
  }
  gm_answer_free(answer);
  srv_given_free(&given);
  if (status != GM_OK) srv_reply_failure(c->job, &err);
  return status == GM_OK;
}

static bool read_boxes(srv_conversation *c, gm_ask_params *ask, gm_box **boxes) {
  if (!srv_plan_boxes(c->job, "boxes", c->frame.width, c->frame.height, boxes, &ask->n_boxes))
    return false;
  ask->boxes = *boxes;
  return true;
}

/* Of the whole request, whose earlier turns are part of its prompt. */
static void count_usage(srv_conversation *c) {
  if (c->plan->n_texts > 1) c->job->usage.cached = c->ready;
}

static void answer_last(srv_conversation *c, gm_chat *talk) {
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
    if (c->job->stream) c->protocol->begin(c);
    srv_job_wait(c->job, c->request, on_event, c);
    count_usage(c);
    status = gm_request_take_answer(c->request, &answer, &err);
    gm_request_free(c->request);
  }
  bool stopped = status == GM_ERR_CANCELLED && c->words.stopped;
  if (status == GM_OK || stopped || (status == GM_ERR_CONTEXT_FULL && answer))
    finish(c, answer);
  else
    srv_reply_failure(c->job, &err);
  gm_answer_free(answer);
}

static void converse(srv_conversation *c, gm_scene *scene) {
  gm_error err = {0};
  gm_chat *talk = NULL;
  c->unlikeness = gm_scene_unlikeness(scene);
  if (gm_chat_create(&talk, scene, &err) != GM_OK) {
    srv_reply_failure(c->job, &err);
    return;
  }
  bool ok = true;
  for (size_t turn = 0; ok && turn + 1 < c->plan->n_texts; turn += 2) ok = give(c, talk, turn);
  c->job->usage = (gm_usage){.struct_size = sizeof c->job->usage};
  if (ok) answer_last(c, talk);
  gm_chat_free(talk);
}

void srv_conversation_run(srv_job *job, const srv_protocol *protocol) {
  const char *stops[SRV_MAX_STOPS];
  srv_conversation c = {.job = job,
                        .plan = job->plan,
                        .protocol = protocol,
                        .created = time(NULL),
                        .grounding = json_array()};
  c.words.stops = stops;
  gm_image *image =
      read_stops(job, protocol, stops, &c.words.n_stops) ? srv_plan_decode(job) : NULL;
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
