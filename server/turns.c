/* turns.c - see turns.h. */
#include "turns.h"

#include <stdlib.h>
#include <string.h>

typedef struct reading {
  srv_job *job;
  srv_plan *plan;
  char **texts; /* of turns, for free() */
  size_t n;
} reading;

static bool refuse(const reading *r, const char *what) {
  srv_reply_error(r->job, 400, "bad_argument", "messages: %s", what);
  return false;
}

static bool append(char **text, const char *more) {
  size_t old = *text ? strlen(*text) : 0, n = strlen(more);
  char *grown = realloc(*text, old + n + 2);
  if (!grown) return false;
  if (old) grown[old++] = '\n';
  memcpy(grown + old, more, n + 1);
  *text = grown;
  return true;
}

static bool read_image(const reading *r, json_t *part) {
  json_t *image = json_object_get(part, "image_url");
  if (json_is_object(image)) image = json_object_get(image, "url");
  if (!json_is_string(image)) return refuse(r, "found image_url without a url");
  char before[SRV_ID] = "";
  if (r->plan->picture) memcpy(before, r->plan->picture->id, sizeof before);
  if (!srv_plan_picture(r->job, r->plan, json_string_value(image))) return false;
  return !before[0] || strcmp(before, r->plan->picture->id) == 0 ||
         refuse(r, "found two pictures; this model looks at one in a conversation");
}

static bool read_part(const reading *r, json_t *part, char **text) {
  const char *type = json_string_value(json_object_get(part, "type"));
  const char *words = json_string_value(json_object_get(part, "text"));
  if (type && (strcmp(type, "text") == 0 || strcmp(type, "input_text") == 0 ||
               strcmp(type, "output_text") == 0))
    return words ? append(text, words) : refuse(r, "found a text part without text");
  if (type && (strcmp(type, "image_url") == 0 || strcmp(type, "input_image") == 0))
    return read_image(r, part);
  return refuse(r, "found a part that is neither text nor image_url");
}

static bool read_content(const reading *r, json_t *content, char **text) {
  if (json_is_string(content)) return append(text, json_string_value(content));
  if (!json_is_array(content)) return refuse(r, "found a message without content");
  json_t *part;
  size_t i;
  json_array_foreach(content, i, part) if (!read_part(r, part, text)) return false;
  return true;
}

/* The turn's text; questions are at even places. */
static bool read_message(reading *r, json_t *message, char **system) {
  const char *role = json_string_value(json_object_get(message, "role"));
  json_t *content = json_object_get(message, "content");
  if (!role) return refuse(r, "found one without a role");
  if (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0)
    return r->n ? refuse(r, "found a system message after the first question")
                : read_content(r, content, system);
  bool user = strcmp(role, "user") == 0;
  if (!user && strcmp(role, "assistant") != 0) return refuse(r, "found an unknown role");
  if (r->n % 2 != (user ? 0 : 1))
    return refuse(r, "wanted questions of the user and answers of the assistant in turn");
  if (r->n == 0 && *system) {
    r->texts[0] = *system;
    *system = NULL;
  }
  return read_content(r, content, &r->texts[r->n++]);
}

bool srv_turns_read(srv_job *job) {
  reading r = {.job = job, .plan = job->plan};
  json_t *messages = json_object_get(r.plan->json, "messages"), *message;
  size_t i, n = json_array_size(messages);
  if (n == 0 || n > SRV_MAX_ITEMS) return refuse(&r, "wanted a list of 1 to 1024 messages");
  char *system = NULL;
  r.texts = calloc(n + 1, sizeof *r.texts);
  bool ok = r.texts != NULL;
  json_array_foreach(messages, i, message) ok = ok && read_message(&r, message, &system);
  if (ok && r.n % 2 == 0) ok = refuse(&r, "wanted a question of the user at the end");
  for (size_t k = 0; ok && k < r.n; k += 2)
    if (!r.texts[k] || !*r.texts[k]) ok = refuse(&r, "found a question without words");
  if (ok && !r.plan->picture)
    ok = refuse(&r, "found no picture; this model answers about pictures only");
  json_t *kept = json_array(); /* keeps the texts with the plan */
  for (size_t k = 0; ok && k < r.n; k++)
    json_array_append_new(kept, json_string(r.texts[k] ? r.texts[k] : ""));
  json_object_del(r.plan->json, "messages"); /* their base64 is not to wait for a slot */
  json_object_set_new(r.plan->json, "", kept);
  if (ok && json_array_size(kept) != r.n) ok = refuse(&r, "no memory for them");
  for (size_t k = 0; r.texts && k < n; k++) free(r.texts[k]);
  free(r.texts);
  free(system);
  if (!ok) return false;
  free(r.plan->texts);
  r.plan->texts = calloc(r.n + 1, sizeof *r.plan->texts);
  r.plan->n_texts = r.plan->texts ? r.n : 0;
  for (size_t k = 0; k < r.plan->n_texts; k++)
    r.plan->texts[k] = json_string_value(json_array_get(kept, k));
  return r.plan->texts || refuse(&r, "no memory for them");
}

bool srv_stops_read(srv_job *job, const char *stops[16], size_t *n) {
  json_t *stop = json_object_get(((srv_plan *)job->plan)->json, "stop");
  *n = 0;
  if (!stop || json_is_null(stop)) return true;
  size_t count = json_is_array(stop) ? json_array_size(stop) : 1;
  bool ok = count <= 16;
  for (size_t i = 0; ok && i < count; i++) {
    json_t *one = json_is_array(stop) ? json_array_get(stop, i) : stop;
    ok = json_is_string(one) && json_string_length(one) > 0 && json_string_length(one) <= 256;
    if (ok) stops[(*n)++] = json_string_value(one);
  }
  if (!ok)
    srv_reply_error(job, 400, "bad_argument",
                    "stop: wanted a string of 1 to 256 bytes, or up to 16 of them");
  return ok;
}

/* How many bytes at the end of the text begin a stop. */
static size_t held(const srv_words *w) {
  size_t most = 0;
  for (size_t i = 0; i < w->n_stops; i++) {
    size_t length = strlen(w->stops[i]);
    for (size_t k = length - 1; k > most; k--)
      if (k <= w->n && memcmp(w->text + w->n - k, w->stops[i], k) == 0) most = k;
  }
  return most;
}

bool srv_words_add(srv_words *w, const char *piece, size_t n) {
  if (w->stopped) return true;
  char *grown = realloc(w->text, w->n + n + 1);
  if (!grown) return false;
  w->text = grown;
  memcpy(grown + w->n, piece, n);
  w->n += n;
  grown[w->n] = 0;
  for (size_t i = 0; i < w->n_stops; i++) {
    char *at = strstr(grown, w->stops[i]);
    if (!at) continue;
    *at = 0;
    w->n = (size_t)(at - grown);
    w->stopped = true;
  }
  w->shown = w->stopped ? w->n : w->n - held(w);
  return true;
}

void srv_words_end(srv_words *w) {
  w->shown = w->n;
}
