/* class_texts.c - see class_texts.h. Texts are collected with repeats, which are removed at the
 * end. */
#include "class_texts.h"

#include "piece_table.h"
#include "text_input.h"
#include "waffle.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_PROMPT "a photo of a %s."

enum { MAX_FILE = 256 << 20 };

/* ---- collecting */

/* Takes ownership of text (from asprintf; NULL: memory was short) and returns its number. */
static gm_status add_text(gm_class_texts *t, char *text, uint32_t *number, gm_error *err) {
  if (text && *text == 0) { /* the tokenizer strips, so this is an empty text */
    free(text);
    text = strdup(" ");
  }
  if (!text) return gm_fail_memory(err, "a text", 1);
  if (t->n_texts == t->capacity) {
    size_t capacity = t->capacity ? 2 * t->capacity : 1024;
    char **grown = capacity <= 2 * (size_t)GM_MAX_CLASS_TEXTS
                       ? realloc(t->texts, capacity * sizeof *grown)
                       : NULL;
    if (!grown) {
      free(text);
      return capacity <= 2 * (size_t)GM_MAX_CLASS_TEXTS
                 ? gm_fail_memory(err, "the texts", capacity * sizeof *grown)
                 : gm_fail(err, GM_ERR_ARGUMENT, "found more than %d texts, wanted fewer",
                           GM_MAX_CLASS_TEXTS);
    }
    t->texts = grown;
    t->capacity = capacity;
  }
  t->texts[t->n_texts] = text;
  *number = (uint32_t)t->n_texts++;
  return GM_OK;
}

/* Adds the text as the next entry. Entries have the texts' capacity: there is at most one per
 * text. */
static gm_status add_entry(gm_class_texts *t, char *text, gm_error *err) {
  uint32_t number;
  GM_TRY(add_text(t, text, &number, err));
  assert(t->n_entries < t->n_texts);
  if ((t->n_entries & (t->n_entries - 1)) == 0) {
    size_t room = t->n_entries ? 2 * t->n_entries : 1;
    uint32_t *grown = realloc(t->entries, room * sizeof *grown);
    if (!grown) return gm_fail_memory(err, "the texts", room * sizeof *grown);
    t->entries = grown;
  }
  t->entries[t->n_entries++] = number;
  return GM_OK;
}

static char *format_text(const char *format, const char *a, const char *b) {
  char *text;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  int n = asprintf(&text, format, a, b);
#pragma GCC diagnostic pop
  return n < 0 ? NULL : text;
}

/* The template with the name for every {}; NULL if memory is short. */
static char *fill_template(const char *template, const char *name) {
  gm_text text = {0};
  gm_status status = GM_OK;
  for (const char *at = template, *hole; status == GM_OK; at = hole + 2) {
    hole = strstr(at, "{}");
    status = gm_text_append(&text, at, hole ? (size_t)(hole - at) : strlen(at), NULL);
    if (!hole) break;
    if (status == GM_OK) status = gm_text_append_string(&text, name, NULL);
  }
  if (status == GM_OK) return text.bytes;
  gm_text_free(&text);
  return NULL;
}

/* ---- files */

static gm_status parse(const char *text, const char *what, bool object, json_t **out,
                       gm_error *err) {
  json_error_t why;
  if (!text)
    return gm_fail(err, GM_ERR_ARGUMENT, "this method wants %s, and none were given", what);
  size_t size = strlen(text), skip;
  if (size > MAX_FILE)
    return gm_fail(err, GM_ERR_ARGUMENT, "%s: found more than %d MiB", what, MAX_FILE >> 20);
  GM_TRY(gm_text_check(text, size, what, GM_ERR_ARGUMENT, &skip, err));
  *out = json_loadb(text + skip, size - skip, JSON_REJECT_DUPLICATES, &why);
  if (!*out) return gm_fail(err, GM_ERR_ARGUMENT, "%s: line %d: %s", what, why.line, why.text);
  if (object ? json_is_object(*out) : json_is_array(*out)) return GM_OK;
  json_decref(*out);
  *out = NULL;
  return gm_fail(err, GM_ERR_ARGUMENT, "%s: wanted a JSON %s", what,
                 object ? "object {class: [text, ...]}" : "list [text, ...]");
}

/* The file's lists, by class. */
typedef struct class_lists {
  json_t *as_given, *nfc; /* the same lists by their keys in NFC */
} class_lists;

static gm_status normalise_keys(class_lists *lists, const char *what, gm_error *err) {
  const char *key;
  json_t *value;
  lists->nfc = json_object();
  if (!lists->nfc) return gm_fail_memory(err, what, 1);
  json_object_foreach(lists->as_given, key, value) {
    char *nfc = gm_name_nfc(key);
    bool twice = nfc && json_object_get(lists->nfc, nfc);
    bool ok = nfc && !twice && json_object_set(lists->nfc, nfc, value) == 0;
    free(nfc);
    if (twice)
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "%s: found class \"%.80s\" twice, in two forms of Unicode", what, key);
    if (!ok) return gm_fail_memory(err, what, strlen(key));
  }
  return GM_OK;
}

/* Finds the class's list of strings. */
static gm_status list_of(const class_lists *lists, const char *what, const char *name,
                         const json_t **out, gm_error *err) {
  *out = json_object_get(lists->as_given, name);
  char *nfc = *out ? NULL : gm_name_nfc(name);
  if (nfc) *out = json_object_get(lists->nfc, nfc);
  free(nfc);
  if (!*out)
    return gm_fail(err, GM_ERR_ARGUMENT, "%s: found nothing for class \"%.80s\"", what, name);
  bool ok = json_is_array(*out);
  for (size_t i = 0; ok && i < json_array_size(*out); i++)
    ok = json_is_string(json_array_get(*out, i));
  if (ok) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "%s: class \"%.80s\": wanted a list of strings", what,
                 name);
}

/* ---- the methods: entries of one class */

typedef struct sources {
  class_lists descriptions, descriptors;
  json_t *templates;
  gm_text phrases; /* Waffle's phrases, each with its NUL */
} sources;

static gm_status add_descriptions(gm_class_texts *t, const sources *s, const char *name,
                                  gm_error *err) {
  const json_t *list;
  GM_TRY(list_of(&s->descriptions, "descriptions", name, &list, err));
  for (size_t i = 0; i < json_array_size(list); i++)
    GM_TRY(add_entry(t, strdup(json_string_value(json_array_get(list, i))), err));
  if (json_array_size(list) == 0) return add_entry(t, format_text(LABEL_PROMPT, name, ""), err);
  return GM_OK;
}

static gm_status add_descriptors(gm_class_texts *t, const sources *s, const char *name,
                                 gm_error *err) {
  const json_t *list;
  GM_TRY(list_of(&s->descriptors, "descriptors", name, &list, err));
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *descriptor = json_string_value(json_array_get(list, i));
    GM_TRY(add_entry(t, format_text("%s, which has %s.", name, descriptor), err));
  }
  if (json_array_size(list) == 0) return add_entry(t, format_text(LABEL_PROMPT, name, ""), err);
  return GM_OK;
}

static gm_status add_templates(gm_class_texts *t, const sources *s, const char *name,
                               gm_error *err) {
  for (size_t i = 0; i < json_array_size(s->templates); i++) {
    const char *template = json_string_value(json_array_get(s->templates, i));
    if (!template || !strstr(template, "{}"))
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "templates: entry %zu: wanted a string with {} for the class", i + 1);
    GM_TRY(add_entry(t, fill_template(template, name), err));
  }
  if (json_array_size(s->templates)) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "templates: found an empty list");
}

static gm_status add_waffle(gm_class_texts *t, const sources *s, const char *name,
                            gm_error *err) {
  const char *at = s->phrases.bytes;
  for (; at < s->phrases.bytes + s->phrases.length; at += strlen(at) + 1)
    GM_TRY(add_entry(t, format_text("a photo of a %s, which has %s.", name, at), err));
  return GM_OK;
}

static gm_status add_class(gm_class_texts *t, const sources *s, gm_method method,
                           const char *name, gm_error *err) {
  uint32_t i = (uint32_t)t->n_classes;
  t->names[i] = strdup(name);
  if (!t->names[i]) return gm_fail_memory(err, "a class", strlen(name));
  t->n_classes++;
  GM_TRY(add_text(t, format_text(LABEL_PROMPT, name, ""), &t->labels[i], err));
  gm_status status;
  switch (method) {
  case GM_METHOD_CLIP_E:
    status = add_templates(t, s, name, err);
    break;
  case GM_METHOD_CLIP_D:
    status = add_descriptors(t, s, name, err);
    break;
  case GM_METHOD_WAFFLE:
    status = add_waffle(t, s, name, err);
    break;
  case GM_METHOD_CLIP:
    status = add_entry(t, format_text(LABEL_PROMPT, name, ""), err);
    break;
  default:
    status = add_descriptions(t, s, name, err);
  }
  t->first[i + 1] = (uint32_t)t->n_entries;
  return status;
}

/* ---- all classes */

static gm_status parse_lists(const char *text, const char *what, class_lists *out,
                             gm_error *err) {
  GM_TRY(parse(text, what, true, &out->as_given, err));
  return normalise_keys(out, what, err);
}

static gm_status read_sources(sources *s, const gm_classes_params *p, gm_error *err) {
  bool from_descriptions = p->method == GM_METHOD_WCA || p->method == GM_METHOD_WCA_RELEASED ||
                           p->method == GM_METHOD_CUPL;
  if (from_descriptions || (!p->names && p->descriptions))
    GM_TRY(parse_lists(p->descriptions, "descriptions", &s->descriptions, err));
  if (p->method == GM_METHOD_CLIP_E)
    GM_TRY(parse(p->templates, "templates", false, &s->templates, err));
  if (p->method == GM_METHOD_CLIP_D)
    GM_TRY(parse_lists(p->descriptors, "descriptors", &s->descriptors, err));
  if (p->method == GM_METHOD_WAFFLE)
    GM_TRY(gm_waffle_phrases(&s->phrases, p->words, p->seed, err));
  return GM_OK;
}

static gm_status add_classes(gm_class_texts *t, const sources *s, const gm_classes_params *p,
                             gm_error *err) {
  json_t *keys = s->descriptions.as_given ? s->descriptions.as_given : s->descriptors.as_given;
  size_t n = p->names ? p->n_names : json_object_size(keys);
  if (n == 0 || n > GM_MAX_CLASSES)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu classes, wanted 1 to %d: as a list of names, or as the keys of "
                   "descriptions",
                   n, GM_MAX_CLASSES);
  t->names = calloc(n, sizeof *t->names);
  t->labels = calloc(n, sizeof *t->labels);
  t->first = calloc(n + 1, sizeof *t->first);
  if (!t->names || !t->labels || !t->first) return gm_fail_memory(err, "the classes", n * 16);
  for (size_t i = 0; p->names && i < n; i++)
    GM_TRY(add_class(t, s, p->method, p->names[i], err));
  if (p->names) return GM_OK;
  const char *name;
  json_t *value;
  json_object_foreach(keys, name, value) GM_TRY(add_class(t, s, p->method, name, err));
  return GM_OK;
}

/* Keeps one of each text; renumbers entries and labels. */
static gm_status unify(gm_class_texts *t, gm_error *err) {
  gm_piece_table table = {0};
  uint32_t *number = malloc((t->n_texts + 1) * sizeof *number);
  gm_status status = number ? gm_piece_table_create(&table, t->n_texts, err)
                            : gm_fail_memory(err, "the texts", t->n_texts * sizeof *number);
  size_t kept = 0, i = 0;
  for (; status == GM_OK && i < t->n_texts; i++) {
    char *text = t->texts[i];
    t->texts[i] = NULL;
    size_t length = strlen(text);
    int32_t found = gm_piece_table_find(&table, text, length);
    number[i] = found < 0 ? (uint32_t)kept : (uint32_t)found;
    if (found < 0) {
      status = gm_piece_table_add(&table, text, length, (int32_t)kept, err);
      t->texts[kept++] = text;
    } else {
      free(text);
    }
  }
  if (status == GM_OK) {
    t->n_texts = kept;
    for (size_t k = 0; k < t->n_entries; k++) t->entries[k] = number[t->entries[k]];
    for (size_t k = 0; k < t->n_classes; k++) t->labels[k] = number[t->labels[k]];
  }
  gm_piece_table_free(&table);
  free(number);
  return status;
}

gm_status gm_class_texts_read(gm_class_texts *out, const gm_classes_params *params,
                              gm_error *err) {
  *out = (gm_class_texts){0};
  sources s = {0};
  gm_status status = read_sources(&s, params, err);
  if (status == GM_OK) status = add_classes(out, &s, params, err);
  if (status == GM_OK) status = unify(out, err);
  json_decref(s.descriptions.as_given);
  json_decref(s.descriptions.nfc);
  json_decref(s.descriptors.as_given);
  json_decref(s.descriptors.nfc);
  json_decref(s.templates);
  gm_text_free(&s.phrases);
  return status;
}

void gm_class_texts_free(gm_class_texts *texts) {
  for (size_t i = 0; i < texts->n_classes; i++) free(texts->names[i]);
  for (size_t i = 0; i < texts->n_texts; i++) free(texts->texts[i]);
  free(texts->names);
  free(texts->labels);
  free(texts->first);
  free(texts->entries);
  free(texts->texts);
  *texts = (gm_class_texts){0};
}
