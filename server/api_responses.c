/* api_responses.c - /v1/responses, as OpenAI has it. Nothing is stored. */
#include "api.h"
#include "conversation.h"

static const char *const known[] = {SRV_CONVERSATION_MEMBERS, "input", "instructions",
                                    "max_output_tokens", NULL};
static const char *const harmless[] = {"user",
                                       "metadata",
                                       "store",
                                       "service_tier",
                                       "safety_identifier",
                                       "prompt_cache_key",
                                       "prompt_cache_retention",
                                       "parallel_tool_calls",
                                       "stream_options",
                                       "tools=[]",
                                       "tool_choice=\"none\"",
                                       "tool_choice=\"auto\"",
                                       "include=[]",
                                       "top_logprobs=0",
                                       "background=false",
                                       "truncation=\"disabled\"",
                                       "text={\"format\":{\"type\":\"text\"}}",
                                       NULL};

static const char *status_of(const srv_conversation *c) {
  return c->complete ? "completed" : "incomplete";
}

static json_t *item_id(const srv_conversation *c) {
  return json_sprintf("msg_%s", c->job->id);
}

/* ---- what there is at the end ---- */

static json_t *part_json(const srv_conversation *c) {
  return json_pack("{s:s, s:o, s:[], s:O}", "type", "output_text", "text",
                   srv_conversation_text(c), "annotations", "grounding", c->grounding);
}

/* Takes content. */
static json_t *item_json(const srv_conversation *c, const char *status, json_t *content) {
  return json_pack("{s:o, s:s, s:s, s:s, s:o}", "id", item_id(c), "type", "message", "status",
                   status, "role", "assistant", "content", content);
}

static json_t *usage_json(const srv_job *job) {
  json_int_t prompt = (json_int_t)job->usage.prompt, said = (json_int_t)job->usage.generated;
  return json_pack("{s:I, s:{s:I}, s:I, s:{s:i}, s:I}", "input_tokens", prompt,
                   "input_tokens_details", "cached_tokens", (json_int_t)job->usage.cached,
                   "output_tokens", said, "output_tokens_details", "reasoning_tokens", 0,
                   "total_tokens", prompt + said);
}

/* Takes output. */
static json_t *response_json(const srv_conversation *c, const char *status, json_t *output) {
  const gm_ask_params *ask = &c->plan->ask;
  json_t *asked = json_object_get(c->plan->json, "instructions"), *out;
  out = json_pack(
      "{s:o, s:s, s:I, s:s, s:n, s:n, s:O?, s:s, s:o, s:b, s:n, s:b, s:f, s:f, s:s, s:[], "
      "s:{s:{s:s}}, s:s, s:{}, s:n}",
      "id", json_sprintf("resp_%s", c->job->id), "object", "response", "created_at",
      (json_int_t)c->created, "status", status, "error", "incomplete_details", "instructions",
      asked, "model", c->job->model, "output", output, "parallel_tool_calls", 0,
      "previous_response_id", "store", 0, "temperature", (double)ask->temperature, "top_p",
      (double)ask->top_p, "tool_choice", "none", "tools", "text", "format", "type", "text",
      "truncation", "disabled", "metadata", "usage");
  json_object_set_new(out, "max_output_tokens",
                      ask->max_tokens ? json_integer((json_int_t)ask->max_tokens)
                                      : json_null());
  srv_conversation_add_scope(c, out);
  return out;
}

static json_t *whole(srv_conversation *c) {
  json_t *content = json_pack("[o]", part_json(c));
  json_t *item = item_json(c, status_of(c), content);
  json_t *out = response_json(c, status_of(c), json_pack("[o]", item));
  json_object_set_new(out, "usage", usage_json(c->job));
  if (!c->complete)
    json_object_set_new(out, "incomplete_details",
                        json_pack("{s:s}", "reason", "max_output_tokens"));
  return out;
}

/* ---- events ---- */

/* Takes members. */
static void send_event(const srv_conversation *c, const char *type, json_t *members) {
  json_object_set_new(members, "type", json_string(type));
  json_object_set_new(members, "sequence_number", json_integer(c->job->sequence++));
  srv_send_event(c->job, type, members);
}

/* Of the only part of the only item; takes members. */
static void send_of_part(const srv_conversation *c, const char *type, json_t *members) {
  json_object_set_new(members, "item_id", item_id(c));
  json_object_set_new(members, "output_index", json_integer(0));
  json_object_set_new(members, "content_index", json_integer(0));
  send_event(c, type, members);
}

static void begin(srv_conversation *c) {
  static const char *const first[] = {"response.created", "response.in_progress"};
  for (size_t i = 0; i < 2; i++)
    send_event(c, first[i],
               json_pack("{s:o}", "response", response_json(c, "in_progress", json_array())));
  send_event(c, "response.output_item.added",
             json_pack("{s:i, s:o}", "output_index", 0, "item",
                       item_json(c, "in_progress", json_array())));
  send_of_part(c, "response.content_part.added",
               json_pack("{s:{s:s, s:s, s:[]}}", "part", "type", "output_text", "text", "",
                         "annotations"));
}

/* Takes both; grounding may be NULL. */
static void send_delta(const srv_conversation *c, json_t *text, json_t *grounding) {
  json_t *members = json_pack("{s:o, s:[]}", "delta", text, "logprobs");
  if (grounding) json_object_set_new(members, "grounding", grounding);
  send_of_part(c, "response.output_text.delta", members);
}

static void said(srv_conversation *c, const char *words, size_t n) {
  json_t *text = json_stringn(words, n);
  if (text) send_delta(c, text, NULL);
}

static void phrase(srv_conversation *c, json_t *one) {
  send_delta(c, json_string(""), json_pack("[O]", one));
}

static void end(srv_conversation *c) {
  send_of_part(c, "response.output_text.done",
               json_pack("{s:o, s:[]}", "text", srv_conversation_text(c), "logprobs"));
  send_of_part(c, "response.content_part.done", json_pack("{s:o}", "part", part_json(c)));
  send_event(c, "response.output_item.done",
             json_pack("{s:i, s:o}", "output_index", 0, "item",
                       item_json(c, status_of(c), json_pack("[o]", part_json(c)))));
  send_event(c, c->complete ? "response.completed" : "response.incomplete",
             json_pack("{s:o}", "response", whole(c)));
}

static const srv_protocol protocol = {.turns = "input",
                                      .system = "instructions",
                                      .most_tokens = "max_output_tokens",
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

const srv_work srv_responses = {"responses", prepare, run, srv_plan_free, NULL, false};
