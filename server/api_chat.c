/* api_chat.c - /v1/chat/completions, as OpenAI has it. */
#include "api.h"
#include "conversation.h"
#include "extras.h"

static const char *const known[] = {
    SRV_CONVERSATION_MEMBERS, "messages", "max_tokens", "max_completion_tokens", "stop",
    "stream_options",         NULL};
static const char *const harmless[] = {"user",
                                       "metadata",
                                       "store",
                                       "service_tier",
                                       "safety_identifier",
                                       "prompt_cache_key",
                                       "prompt_cache_retention",
                                       "parallel_tool_calls",
                                       "n=1",
                                       "logprobs=false",
                                       "top_logprobs=0",
                                       "presence_penalty=0",
                                       "frequency_penalty=0",
                                       "logit_bias={}",
                                       "tools=[]",
                                       "functions=[]",
                                       "tool_choice=\"none\"",
                                       "tool_choice=\"auto\"",
                                       "response_format={\"type\":\"text\"}",
                                       "modalities=[\"text\"]",
                                       NULL};

static json_t *usage_json(const srv_job *job) {
  json_int_t prompt = (json_int_t)job->usage.prompt, said = (json_int_t)job->usage.generated;
  return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", prompt, "completion_tokens",
                   said, "total_tokens", prompt + said, "prompt_tokens_details",
                   "cached_tokens", (json_int_t)job->usage.cached);
}

static json_t *head(const srv_conversation *c, const char *object) {
  return json_pack("{s:o, s:s, s:I, s:s}", "id", json_sprintf("chatcmpl-%s", c->job->id),
                   "object", object, "created", (json_int_t)c->created, "model", c->job->model);
}

static const char *finish_reason(const srv_conversation *c) {
  return c->complete ? "stop" : "length";
}

/* Takes delta; finish NULL: not over. */
static void send_delta(const srv_conversation *c, json_t *delta, const char *finish) {
  json_t *event = head(c, "chat.completion.chunk");
  json_t *choice = json_pack("{s:i, s:o, s:o}", "index", 0, "delta", delta, "finish_reason",
                             finish ? json_string(finish) : json_null());
  json_object_set_new(event, "choices", json_pack("[o]", choice));
  if (c->plan->usage) json_object_set_new(event, "usage", json_null());
  srv_send_event(c->job, NULL, event);
}

static void begin(srv_conversation *c) {
  send_delta(c, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL);
}

static void said(srv_conversation *c, const char *words, size_t n) {
  json_t *text = json_stringn(words, n);
  if (text) send_delta(c, json_pack("{s:o}", "content", text), NULL);
}

static void phrase(srv_conversation *c, json_t *one) {
  send_delta(c, json_pack("{s:[O]}", "grounding", one), NULL);
}

static void end(srv_conversation *c) {
  send_delta(c, json_object(), finish_reason(c));
  if (c->plan->usage) {
    json_t *last = head(c, "chat.completion.chunk");
    json_object_set_new(last, "choices", json_array());
    json_object_set_new(last, "usage", usage_json(c->job));
    srv_conversation_add_scope(c, last);
    srv_send_event(c->job, NULL, last);
  }
  srv_send_raw(c->job, "data: [DONE]\n\n");
}

static json_t *whole(srv_conversation *c) {
  json_t *answer = head(c, "chat.completion");
  json_t *message = json_pack("{s:s, s:o, s:O}", "role", "assistant", "content",
                              srv_conversation_text(c), "grounding", c->grounding);
  json_object_set_new(answer, "choices",
                      json_pack("[{s:i, s:o, s:n, s:s}]", "index", 0, "message", message,
                                "logprobs", "finish_reason", finish_reason(c)));
  json_object_set_new(answer, "usage", usage_json(c->job));
  srv_conversation_add_scope(c, answer);
  return answer;
}

static const srv_protocol protocol = {.turns = "messages",
                                      .stops = "stop",
                                      .known = known,
                                      .harmless = harmless,
                                      .begin = begin,
                                      .said = said,
                                      .phrase = phrase,
                                      .end = end,
                                      .whole = whole};

static bool read_stream_options(srv_job *job) {
  static const char *const in_options[] = {"include_usage", NULL};
  static const char *const harmless_options[] = {"include_obfuscation", NULL};
  const char *name;
  srv_plan *plan = job->plan;
  json_t *options = json_object_get(plan->json, "stream_options");
  json_t *usage = json_object_get(options, "include_usage");
  plan->usage = json_is_true(usage);
  if (!options || json_is_null(options) ||
      (json_is_object(options) && (!usage || json_is_boolean(usage)) &&
       srv_extras_check(options, in_options, harmless_options, &name)))
    return true;
  srv_reply_error(job, 400, "bad_argument",
                  "stream_options: wanted {\"include_usage\": true or false}");
  return false;
}

static bool prepare(srv_job *job) {
  return srv_conversation_prepare(job, &protocol) && read_stream_options(job);
}

static void run(srv_job *job) {
  srv_conversation_run(job, &protocol);
}

const srv_work srv_chat_completions = {"chat", prepare, run, srv_plan_free, NULL, false};
