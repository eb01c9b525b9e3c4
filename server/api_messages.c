/* api_messages.c - /v1/messages, as Anthropic has it. */
#include "api.h"
#include "conversation.h"

static const char *const known[] = {
    SRV_CONVERSATION_MEMBERS, "messages", "system", "max_tokens", "stop_sequences", NULL};
static const char *const harmless[] = {"metadata",
                                       "service_tier",
                                       "tools=[]",
                                       "tool_choice={\"type\":\"auto\"}",
                                       "tool_choice={\"type\":\"none\"}",
                                       "thinking={\"type\":\"disabled\"}",
                                       NULL};

/* Here the input's tokens are those that were not found ready. */
static json_t *usage_json(const srv_conversation *c) {
  const gm_usage *u = &c->job->usage;
  return json_pack("{s:I, s:i, s:I, s:I}", "input_tokens", (json_int_t)(u->prompt - u->cached),
                   "cache_creation_input_tokens", 0, "cache_read_input_tokens",
                   (json_int_t)u->cached, "output_tokens", (json_int_t)u->generated);
}

static json_t *head(const srv_conversation *c) {
  return json_pack("{s:o, s:s, s:s, s:s}", "id", json_sprintf("msg_%s", c->job->id), "type",
                   "message", "role", "assistant", "model", c->job->model);
}

/* Why it stopped, as members of `out`. */
static void add_reason(const srv_conversation *c, json_t *out) {
  const char *stop = c->words.stopped;
  const char *why = stop ? "stop_sequence" : c->complete ? "end_turn" : "max_tokens";
  json_object_set_new(out, "stop_reason", json_string(why));
  json_object_set_new(out, "stop_sequence", stop ? json_string(stop) : json_null());
}

/* Takes members. */
static void send_event(const srv_conversation *c, const char *type, json_t *members) {
  json_object_set_new(members, "type", json_string(type));
  srv_send_event(c->job, type, members);
}

/* The tokens of the prompt are not counted yet: message_delta has them. */
static void begin(srv_conversation *c) {
  json_t *message = head(c);
  json_object_set_new(message, "content", json_array());
  json_object_set_new(message, "stop_reason", json_null());
  json_object_set_new(message, "stop_sequence", json_null());
  json_object_set_new(message, "usage", usage_json(c));
  srv_conversation_add_scope(c, message);
  send_event(c, "message_start", json_pack("{s:o}", "message", message));
  send_event(c, "content_block_start",
             json_pack("{s:i, s:{s:s, s:s}}", "index", 0, "content_block", "type", "text",
                       "text", ""));
}

/* Takes delta. */
static void send_delta(const srv_conversation *c, json_t *delta) {
  json_object_set_new(delta, "type", json_string("text_delta"));
  send_event(c, "content_block_delta", json_pack("{s:i, s:o}", "index", 0, "delta", delta));
}

static void said(srv_conversation *c, const char *words, size_t n) {
  json_t *text = json_stringn(words, n);
  if (text) send_delta(c, json_pack("{s:o}", "text", text));
}

static void phrase(srv_conversation *c, json_t *one) {
  send_delta(c, json_pack("{s:s, s:[O]}", "text", "", "grounding", one));
}

static void end(srv_conversation *c) {
  json_t *delta = json_object();
  add_reason(c, delta);
  send_event(c, "content_block_stop", json_pack("{s:i}", "index", 0));
  send_event(c, "message_delta",
             json_pack("{s:o, s:o}", "delta", delta, "usage", usage_json(c)));
  send_event(c, "message_stop", json_object());
}

static json_t *whole(srv_conversation *c) {
  json_t *message = head(c);
  json_object_set_new(message, "content",
                      json_pack("[{s:s, s:o, s:O}]", "type", "text", "text",
                                srv_conversation_text(c), "grounding", c->grounding));
  add_reason(c, message);
  json_object_set_new(message, "usage", usage_json(c));
  srv_conversation_add_scope(c, message);
  return message;
}

static const srv_protocol protocol = {.turns = "messages",
                                      .system = "system",
                                      .stops = "stop_sequences",
                                      .known = known,
                                      .harmless = harmless,
                                      .begin = begin,
                                      .said = said,
                                      .phrase = phrase,
                                      .end = end,
                                      .whole = whole};

static bool prepare(srv_job *job) {
  return srv_conversation_prepare(job, &protocol);
}

static void run(srv_job *job) {
  srv_conversation_run(job, &protocol);
}

const srv_work srv_messages = {"messages", prepare, run, srv_plan_free, NULL, false};
