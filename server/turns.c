/* turns.c - see turns.h. */
#include "turns.h"

#include "extras.h"
#include "given.h"

#include <stdlib.h>
#include <string.h>

typedef struct reading {
  srv_job *job;
  srv_plan *plan;
  const char *list; /* the member's name */
  char **texts;     /* of turns, for free() */
  size_t n;
  json_t *given; /* [n] of answers their phrases, of questions null */
} reading;

static bool refuse(const reading *r, const char *what) {
  srv_reply_error(r->job, 400, "bad_argument", "%s: %s", r->list, what);
  return false;
}

/* Replies that are sent back have more than their words; empty lists say nothing. */
static bool check_members(const reading *r, json_t *object, const char *what) {
  static const char *const known[] = {"role",      "content", "type",      "text",
                                      "image_url", "source",  "grounding", NULL};
  static const char *const harmless[] = {
      "name",           "id",          "status",        "detail",       "cache_control",
      "annotations=[]", "logprobs=[]", "tool_calls=[]", "citations=[]", NULL};
  const char *name;
  if (srv_extras_check(object, known, harmless, &name)) return true;
  srv_reply_error(r->job, 400, "bad_argument",
                  "%s: found the member '%.100s' in a %s, which is not acted on here; leave it "
                  "out",
                  r->list, name, what);
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

/* Anthropic's: {"type": "base64", "data"} or {"type": "url", "url"}. */
static const char *source_address(const json_t *source) {
  const char *type = json_string_value(json_object_get(source, "type"));
  if (!type) return NULL;
  if (strcmp(type, "base64") == 0) return json_string_value(json_object_get(source, "data"));
  return strcmp(type, "url") == 0 ? json_string_value(json_object_get(source, "url")) : NULL;
}

static bool read_image(const reading *r, json_t *part) {
  json_t *image = json_object_get(part, "image_url"), *source = json_object_get(part, "source");
  if (json_is_object(image)) image = json_object_get(image, "url");
  const char *address = source ? source_address(source) : json_string_value(image);
  if (!address) return refuse(r, "found a picture without an address or base64");
  char before[SRV_ID] = "";
  if (r->plan->picture) memcpy(before, r->plan->picture->id, sizeof before);
  if (!srv_plan_picture(r->job, r->plan, address)) return false;
  return !before[0] || strcmp(before, r->plan->picture->id) == 0 ||
         refuse(r, "found two pictures; this model looks at one in a conversation");
}

/* phrases NULL: the text is no answer. */
static bool read_grounding(const reading *r, json_t *of, size_t at, json_t *phrases) {
  json_t *grounding = json_object_get(of, "grounding");
  if (!grounding || json_is_null(grounding)) return true;
  if (!phrases) return refuse(r, "found grounding in a message that is not the assistant's");
  return srv_given_read(phrases, grounding, at) ||
         refuse(r, "grounding: wanted a list of {\"span\": [begin, end], \"regions\": "
                   "[{\"index\"}, ...]}, as it was in the answer");
}

static bool is_one_of(const char *type, const char *const *names) {
  while (type && *names && strcmp(type, *names) != 0) names++;
  return type && *names;
}

static bool read_part(const reading *r, json_t *part, char **text, json_t *phrases) {
  static const char *const words[] = {"text", "input_text", "output_text", NULL};
  static const char *const pictures[] = {"image_url", "input_image", "image", NULL};
  const char *type = json_string_value(json_object_get(part, "type"));
  const char *said = json_string_value(json_object_get(part, "text"));
  if (!check_members(r, part, "part")) return false;
  if (is_one_of(type, pictures))
    return phrases ? refuse(r, "found a picture in an answer") : read_image(r, part);
  if (!is_one_of(type, words))
    return refuse(r, "found a part that is neither text nor a picture");
  if (!said) return refuse(r, "found a text part without text");
  size_t at = *text && **text ? strlen(*text) + 1 : 0;
  return append(text, said) ? read_grounding(r, part, at, phrases)
                            : refuse(r, "no memory for them");
}

static bool read_content(const reading *r, json_t *content, char **text, json_t *phrases) {
  if (json_is_string(content))
    return append(text, json_string_value(content)) || refuse(r, "no memory for them");
  if (!json_is_array(content)) return refuse(r, "found a message without content");
  json_t *part;
  size_t i;
  json_array_foreach(content, i, part) if (!read_part(r, part, text, phrases)) return false;
  return true;
}

/* The turn's text; questions are at even places. */
static bool read_message(reading *r, json_t *message, char **system) {
  const char *role = json_string_value(json_object_get(message, "role"));
  json_t *content = json_object_get(message, "content");
  if (!role) return refuse(r, "found one without a role");
  if (!check_members(r, message, "message")) return false;
  if (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0)
    return r->n ? refuse(r, "found a system message after the first question")
                : read_content(r, content, system, NULL);
  bool user = strcmp(role, "user") == 0;
  if (!user && strcmp(role, "assistant") != 0) return refuse(r, "found an unknown role");
  if (r->n % 2 != (user ? 0 : 1))
    return refuse(r, "wanted questions of the user and answers of the assistant in turn");
  if (r->n == 0 && *system) {
    r->texts[0] = *system;
    *system = NULL;
  }
  json_t *phrases = user ? json_null() : json_array();
  if (!phrases || json_array_append_new(r->given, phrases) != 0)
    return refuse(r, "no memory for them");
  return read_content(r, content, &r->texts[r->n++], user ? NULL : phrases) &&
         read_grounding(r, message, 0, user ? NULL : phrases);
}

bool srv_turns_read(srv_job *job, const char *list, const char *system_name) {
  reading r = {.job = job, .plan = job->plan, .list = list};
  json_t *messages = json_object_get(r.plan->json, list), *message;
  json_t *before = system_name ? json_object_get(r.plan->json, system_name) : NULL;
  if (json_is_string(messages)) { /* a single question, in the responses' short form */
    messages = json_pack("[{s:s, s:O}]", "role", "user", "content", messages);
    json_object_set_new(r.plan->json, list, messages);
  }
  size_t i, n = json_array_size(messages);
  if (n == 0 || n > SRV_MAX_ITEMS) return refuse(&r, "wanted a list of 1 to 1024 messages");
  char *system = NULL;
  r.texts = calloc(n + 1, sizeof *r.texts);
  json_object_set_new(r.plan->json, "given", r.given = json_array());
  bool ok = r.texts != NULL && r.given;
  if (before && !json_is_null(before)) ok = ok && read_content(&r, before, &system, NULL);
  json_array_foreach(messages, i, message) ok = ok && read_message(&r, message, &system);
  if (ok && r.n % 2 == 0) ok = refuse(&r, "wanted a question of the user at the end");
  for (size_t k = 0; ok && k < r.n; k += 2)
    if (!r.texts[k] || !*r.texts[k]) ok = refuse(&r, "found a question without words");
  if (ok && !r.plan->picture)
    ok = refuse(&r, "found no picture; this model answers about pictures only");
  json_t *kept = json_array(); /* keeps the texts with the plan */
  for (size_t k = 0; ok && k < r.n; k++)
    json_array_append_new(kept, json_string(r.texts[k] ? r.texts[k] : ""));
  json_object_del(r.plan->json, list); /* their base64 is not to wait for a slot */
  json_object_set_new(r.plan->json, "", kept);
  if (ok && json_array_size(kept) != r.n) ok = refuse(&r, "no memory for them");
  for (size_t k = 0; r.texts && k < n; k++) free(r.texts[k]);
  free(r.texts);
  free(system);
  if (!ok) return false;
  r.plan->given = r.given;
  free(r.plan->texts);
  r.plan->texts = calloc(r.n + 1, sizeof *r.plan->texts);
  r.plan->n_texts = r.plan->texts ? r.n : 0;
  for (size_t k = 0; k < r.plan->n_texts; k++)
    r.plan->texts[k] = json_string_value(json_array_get(kept, k));
  return r.plan->texts || refuse(&r, "no memory for them");
}
