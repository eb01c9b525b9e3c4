/* chat_endpoint.c - see chat_endpoint.h. */
#include "chat_endpoint.h"

#include "json_pull.h"
#include "terminal.h"

#include <curl/curl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ANSWER = 4 << 20, LONGEST_WAIT = 60 };

struct chat_endpoint {
  chat_endpoint_params params;
  CURL *curl;
  struct curl_slist *headers;
  char *url;
  char *shown; /* the same without secrets, for messages */
  chat_rate own_rate, *rate;
  char *bytes; /* of the reply */
  size_t size;
  bool too_long; /* it is longer than MAX_ANSWER */
};

static size_t on_bytes(char *data, size_t unit, size_t n, void *user) {
  chat_endpoint *e = user;
  (void)unit; /* always 1 */
  e->too_long = n > MAX_ANSWER - e->size;
  char *grown = e->too_long ? NULL : realloc(e->bytes, e->size + n + 1);
  if (!grown) return 0;
  e->bytes = grown;
  memcpy(grown + e->size, data, n);
  e->size += n;
  grown[e->size] = 0;
  return n;
}

static int on_transfer(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
  (void)user, (void)a, (void)b, (void)c, (void)d;
  return cli_interrupted();
}

static bool add_header(chat_endpoint *e, const char *header) {
  struct curl_slist *grown = curl_slist_append(e->headers, header);
  if (grown) e->headers = grown;
  return grown != NULL;
}

/* The URL without possible secrets: without all before the last @ (a password may have any
 * character), and without the query. */
static char *without_secrets(const char *url) {
  const char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
  const char *begin = scheme && scheme < (at ? at : scheme + 1) ? scheme + 3 : url;
  const char *rest = at ? at + 1 : begin;
  char *text = NULL;
  if (asprintf(&text, "%.*s%s%.*s", (int)(begin - url), url, at ? "***@" : "",
               (int)strcspn(rest, "?"), rest) < 0)
    return NULL;
  return text;
}

static bool prepare(chat_endpoint *e) {
  const char *url = e->params.url;
  size_t length = strlen(url);
  while (length && url[length - 1] == '/') length--;
  if (asprintf(&e->url, "%.*s/chat/completions", (int)length, url) < 0) e->url = NULL;
  if (!e->url || !(e->shown = without_secrets(e->url))) return false;
  char *key = NULL;
  if (e->params.key && asprintf(&key, "Authorization: Bearer %s", e->params.key) < 0)
    return false;
  bool ok = add_header(e, "Content-Type: application/json") && (!key || add_header(e, key));
  free(key);
  e->curl = ok ? curl_easy_init() : NULL;
  if (!e->curl) return false;
  /* No redirects: they could send the key elsewhere. */
  return curl_easy_setopt(e->curl, CURLOPT_URL, e->url) == CURLE_OK &&
         curl_easy_setopt(e->curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
         curl_easy_setopt(e->curl, CURLOPT_HTTPHEADER, e->headers) == CURLE_OK &&
         curl_easy_setopt(e->curl, CURLOPT_TIMEOUT, (long)e->params.timeout) == CURLE_OK &&
         curl_easy_setopt(e->curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
         curl_easy_setopt(e->curl, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
         curl_easy_setopt(e->curl, CURLOPT_WRITEDATA, e) == CURLE_OK &&
         curl_easy_setopt(e->curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
         curl_easy_setopt(e->curl, CURLOPT_XFERINFOFUNCTION, on_transfer) == CURLE_OK;
}

chat_endpoint *chat_endpoint_open(const chat_endpoint_params *params) {
  chat_endpoint *e = calloc(1, sizeof *e);
  bool ok = e && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (ok) e->params = *params;
  if (ok) e->own_rate = (chat_rate){PTHREAD_MUTEX_INITIALIZER, 0};
  if (ok) e->rate = params->rate ? params->rate : &e->own_rate;
  if (ok && prepare(e)) return e;
  cli_error("%s: cannot set up the connection", params->url);
  if (ok) chat_endpoint_close(e);
  if (!ok) free(e);
  return NULL;
}

void chat_endpoint_close(chat_endpoint *e) {
  if (!e) return;
  curl_easy_cleanup(e->curl);
  curl_slist_free_all(e->headers);
  curl_global_cleanup();
  free(e->url);
  free(e->shown);
  free(e->bytes);
  free(e);
}

/* False if interrupted. */
static bool wait_seconds(double seconds) {
  double until = cli_now() + seconds;
  for (double left; (left = until - cli_now()) > 0 && !cli_interrupted();) {
    if (left > 0.1) left = 0.1;
    nanosleep(&(struct timespec){0, (long)(left * 1e9)}, NULL);
  }
  return !cli_interrupted();
}

/* Waits for this request's place. False if interrupted. */
static bool wait_for_rate(chat_rate *rate, uint64_t per_minute) {
  pthread_mutex_lock(&rate->lock);
  double now = cli_now(), begin = rate->next > now ? rate->next : now;
  rate->next = begin + (per_minute ? 60.0 / (double)per_minute : 0);
  pthread_mutex_unlock(&rate->lock);
  return wait_seconds(begin - now);
}

/* Joins the texts of a list of parts. Parts that are not text are reasoning. */
static char *join_parts(const gm_pull_value *parts, bool *reasoning) {
  char *all = strdup(""), *grown;
  gm_pull_value part;
  gm_pull_reader p = gm_pull_begin(parts->text);
  for (gm_pull_enter(&p); all && gm_pull_element(&p) && gm_pull_read(&p, &part);) {
    gm_pull_value value = gm_pull_member_of(&part, "text");
    char *text = gm_pull_string(&value);
    if (!text) *reasoning = true;
    if (!text) continue;
    if (asprintf(&grown, "%s%s", all, text) < 0) grown = NULL;
    free(text);
    free(all);
    all = grown;
  }
  return all;
}

static bool has_text(const gm_pull_value *message, const char *name) {
  gm_pull_value value = gm_pull_member_of(message, name);
  return value.kind == GM_PULL_STRING && value.length > 0;
}

/* The text in choices[0].message.content, or NULL. "" if the answer has only reasoning. */
static char *content_of(const char *bytes, bool *reasoning) {
  gm_pull_value root, choices, choice, message, content;
  gm_pull_reader p = gm_pull_begin(bytes ? bytes : "");
  if (!gm_pull_read(&p, &root)) return NULL;
  choices = gm_pull_member_of(&root, "choices");
  choice = gm_pull_first_of(&choices);
  message = gm_pull_member_of(&choice, "message");
  content = gm_pull_member_of(&message, "content");
  *reasoning = has_text(&message, "reasoning_content") || has_text(&message, "reasoning");
  if (content.kind == GM_PULL_ARRAY) return join_parts(&content, reasoning);
  if (content.kind == GM_PULL_NULL && *reasoning) return strdup("");
  return gm_pull_string(&content);
}

/* The server's own message: error.message of its JSON, else the beginning of the text. */
static void tell_refusal(const chat_endpoint *e, long status) {
  json_t *root = e->bytes ? json_loads(e->bytes, 0, NULL) : NULL;
  const char *why =
      json_string_value(json_object_get(json_object_get(root, "error"), "message"));
  if (status == 200) why = "found no choices[0].message.content in its answer";
  if (status == 401 && !e->params.key) why = "it wants a key; set OPENAI_API_KEY";
  cli_error("%s: HTTP %ld: %.300s", e->shown, status, why ? why : e->bytes ? e->bytes : "");
  json_decref(root);
}

static bool may_pass(const chat_endpoint *e, CURLcode code, long status) {
  if (e->too_long) return false;
  if (code != CURLE_OK)
    return code != CURLE_URL_MALFORMAT && code != CURLE_UNSUPPORTED_PROTOCOL &&
           code != CURLE_ABORTED_BY_CALLBACK;
  return status == 408 || status == 429 || status >= 500;
}

static double wait_before(const chat_endpoint *e, uint64_t attempt) {
  curl_off_t told = 0;
  curl_easy_getinfo(e->curl, CURLINFO_RETRY_AFTER, &told);
  double chance = cli_now() * 1e6,
         more = 0.25 * (chance - floor(chance)); /* a clock's last digits */
  double seconds =
      told > 0 ? (double)told : (1 + more) * (double)(1u << (attempt < 6 ? attempt : 6));
  return seconds < LONGEST_WAIT ? seconds : LONGEST_WAIT;
}

/* "usage": {"total_tokens": 71} of a reply. */
static uint64_t tokens_of(const char *bytes) {
  gm_pull_value root, usage, total;
  gm_pull_reader p = gm_pull_begin(bytes);
  if (!gm_pull_read(&p, &root)) return 0;
  usage = gm_pull_member_of(&root, "usage");
  total = gm_pull_member_of(&usage, "total_tokens");
  double tokens = gm_pull_number(&total);
  return tokens > 0 && tokens < 1e15 ? (uint64_t)tokens : 0;
}

static char *ask(chat_endpoint *e, bool *reasoning) {
  for (uint64_t attempt = 0;; attempt++) {
    if (!wait_for_rate(e->rate, e->params.per_minute)) return NULL;
    free(e->bytes);
    e->bytes = NULL;
    e->size = 0;
    e->too_long = false;
    long status = 0;
    CURLcode code = curl_easy_perform(e->curl);
    curl_easy_getinfo(e->curl, CURLINFO_RESPONSE_CODE, &status);
    char *answer = code == CURLE_OK && status == 200 ? content_of(e->bytes, reasoning) : NULL;
    if (answer || cli_interrupted()) return answer;
    if (!may_pass(e, code, status) || attempt >= e->params.retries) {
      if (e->too_long)
        cli_error("%s: found an answer of more than %d MiB, wanted at most that", e->shown,
                  MAX_ANSWER >> 20);
      else if (code == CURLE_OK)
        tell_refusal(e, status);
      else
        cli_error("%s: %s", e->shown, curl_easy_strerror(code));
      return NULL;
    }
    if (!wait_seconds(wait_before(e, attempt))) return NULL;
  }
}

static json_t *content_for(const chat_question *question) {
  if (!question->picture) return json_string(question->text);
  return json_pack("[{s:s, s:s}, {s:s, s:{s:s}}]", "type", "text", "text", question->text,
                   "type", "image_url", "image_url", "url", question->picture);
}

bool chat_endpoint_ask(chat_endpoint *e, const chat_question *question, chat_answer *answer) {
  json_t *messages = json_array();
  if (question->system)
    json_array_append_new(
        messages, json_pack("{s:s, s:s}", "role", "system", "content", question->system));
  json_array_append_new(
      messages, json_pack("{s:s, s:o}", "role", "user", "content", content_for(question)));
  json_t *request = json_pack("{s:s, s:o}", "model", e->params.model, "messages", messages);
  *answer = (chat_answer){0};
  if (request && question->max_tokens)
    json_object_set_new(request, "max_tokens", json_integer((json_int_t)question->max_tokens));
  if (request && question->temperature > 0)
    json_object_set_new(request, "temperature", json_real(question->temperature));
  char *body = request ? json_dumps(request, JSON_COMPACT) : NULL;
  json_decref(request);
  if (body && curl_easy_setopt(e->curl, CURLOPT_POSTFIELDS, body) == CURLE_OK)
    answer->text = ask(e, &answer->reasoning);
  if (answer->text) answer->tokens = tokens_of(e->bytes);
  free(body);
  return answer->text != NULL;
}
