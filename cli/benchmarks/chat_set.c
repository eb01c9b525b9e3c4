/* chat_set.c - see chat_set.h. */
#include "chat_set.h"

#include "room.h"
#include "text_buffer.h"

#include <stdlib.h>
#include <string.h>

const char *const chat_category_names[CHAT_CATEGORIES] = {"conv", "detail", "complex"};

/* ---- questions ---- */

static gm_status read_category(const score_file *file, const char *at,
                               const gm_pull_value *value, chat_category *out, gm_error *err) {
  char *name = NULL;
  gm_status status = score_read_text(file, at, "category", value, &name, err);
  if (status != GM_OK) return status;
  const char *prefix = "llava_bench_",
             *begin = strncmp(name, prefix, strlen(prefix)) ? name : name + strlen(prefix);
  size_t i = 0;
  while (i < CHAT_CATEGORIES && strcmp(begin, chat_category_names[i]) != 0) i++;
  free(name);
  *out = (chat_category)i;
  return i < CHAT_CATEGORIES
             ? GM_OK
             : score_wrong(file, at, err, "category is not conv, detail or complex");
}

static gm_status read_question(void *user, const score_file *file, gm_pull_reader *json,
                               gm_error *err) {
  static const char *const names[] = {"question_id", "image", "text", "category"};
  chat_set *set = user;
  gm_pull_value v[4];
  const char *at;
  size_t number;
  chat_entry entry = {.context = GM_NAME_NONE};
  gm_status status = score_members(file, json, &at, names, v, 4, err);
  if (status == GM_OK) status = score_id(file, at, &set->ids, names[0], &v[0], &number, err);
  if (status == GM_OK && number != set->n)
    status = score_wrong(file, at, err, "the question_id of an earlier question");
  if (status == GM_OK) status = read_category(file, at, &v[3], &entry.category, err);
  if (status == GM_OK) status = score_read_text(file, at, "image", &v[1], &entry.image, err);
  if (status == GM_OK) status = score_read_text(file, at, "text", &v[2], &entry.text, err);
  chat_entry *grown =
      status == GM_OK ? gm_room_for_one(set->entries, set->n, sizeof *grown) : NULL;
  if (status == GM_OK && !grown) status = gm_fail_memory(err, "questions", sizeof entry);
  if (status != GM_OK) {
    free(entry.image);
    free(entry.text);
    return status;
  }
  set->entries = grown;
  grown[set->n++] = entry;
  return GM_OK;
}

/* ---- contexts ---- */

static gm_status add_line(gm_text *text, const char *a, size_t n, const char *b,
                          gm_error *err) {
  gm_status status = gm_text_append(text, a, n, err);
  return status == GM_OK ? gm_text_append_string(text, b, err) : status;
}

static gm_status add_captions(gm_text *text, const score_file *file, const char *at,
                              const gm_pull_value *list, gm_error *err) {
  gm_pull_value value;
  gm_status status = GM_OK;
  if (list->kind != GM_PULL_ARRAY)
    return score_wrong(file, at, err, "captions is not a list of strings");
  gm_pull_reader p = gm_pull_begin(list->text);
  for (gm_pull_enter(&p); status == GM_OK && gm_pull_element(&p);) {
    char *caption = NULL;
    gm_pull_read(&p, &value);
    status = score_read_text(file, at, "an entry of captions", &value, &caption, err);
    if (status == GM_OK) status = add_line(text, caption, strlen(caption), "\n", err);
    free(caption);
  }
  return status;
}

/* Boxes are given to the judge as the file has them. */
static gm_status add_instances(gm_text *text, const score_file *file, const char *at,
                               const gm_pull_value *list, gm_error *err) {
  gm_pull_value value;
  gm_status status = GM_OK;
  if (list->kind != GM_PULL_ARRAY)
    return score_wrong(file, at, err, "instances is not a list of {category, bbox}");
  gm_pull_reader p = gm_pull_begin(list->text);
  for (gm_pull_enter(&p); status == GM_OK && gm_pull_element(&p);) {
    double box[4];
    char *category = NULL;
    gm_pull_read(&p, &value);
    gm_pull_value name = gm_pull_member_of(&value, "category"),
                  bbox = gm_pull_member_of(&value, "bbox");
    status = score_read_text(file, at, "category of an instance", &name, &category, err);
    if (status == GM_OK && (bbox.kind != GM_PULL_ARRAY || !gm_pull_numbers(&bbox, box, 4)))
      status = score_wrong(file, at, err, "bbox of an instance is not four numbers");
    if (status == GM_OK) status = add_line(text, category, strlen(category), ": ", err);
    if (status == GM_OK) status = add_line(text, bbox.text, bbox.length, "\n", err);
    free(category);
  }
  return status;
}

static gm_status read_context(void *user, const score_file *file, gm_pull_reader *json,
                              gm_error *err) {
  static const char *const names[] = {"image", "captions", "instances"};
  chat_set *set = user;
  gm_pull_value v[3];
  const char *at;
  char *image = NULL;
  gm_text text = {0};
  gm_status status = score_members(file, json, &at, names, v, 3, err);
  if (status == GM_OK) status = score_read_text(file, at, "image", &v[0], &image, err);
  size_t number =
      status == GM_OK ? gm_name_table_add(&set->images, image, strlen(image)) : GM_NAME_NONE;
  free(image);
  if (status == GM_OK && number == GM_NAME_NONE) status = gm_fail_memory(err, "contexts", 1);
  if (status == GM_OK && number != set->n_contexts)
    status = score_wrong(file, at, err, "the image of an earlier context");
  if (status == GM_OK) status = add_captions(&text, file, at, &v[1], err);
  if (status == GM_OK) status = gm_text_append_string(&text, "\n", err);
  if (status == GM_OK) status = add_instances(&text, file, at, &v[2], err);
  char **grown =
      status == GM_OK ? gm_room_for_one(set->contexts, set->n_contexts, sizeof *grown) : NULL;
  if (status == GM_OK && !grown) status = gm_fail_memory(err, "contexts", 1);
  if (status != GM_OK) {
    gm_text_free(&text);
    return status;
  }
  set->contexts = grown;
  grown[set->n_contexts++] = text.bytes;
  return GM_OK;
}

/* ---- references ---- */

typedef struct reference_reader {
  chat_set *set;
  size_t n_questions; /* ids behind these are new */
} reference_reader;

static gm_status read_reference(void *user, const score_file *file, gm_pull_reader *json,
                                gm_error *err) {
  static const char *const names[] = {"question_id", "text"};
  reference_reader *r = user;
  gm_pull_value v[2];
  const char *at;
  size_t number;
  char *text = NULL;
  gm_status status = score_members(file, json, &at, names, v, 2, err);
  if (status == GM_OK) status = score_id(file, at, &r->set->ids, names[0], &v[0], &number, err);
  if (status == GM_OK) status = score_read_text(file, at, "text", &v[1], &text, err);
  if (status == GM_OK && number < r->n_questions) {
    chat_entry *entry = &r->set->entries[number];
    if (entry->reference)
      status = score_wrong(file, at, err, "a second text for the same question_id");
    else {
      entry->reference = text;
      return GM_OK;
    }
  }
  free(text);
  return status;
}

/* ---- all ---- */

static gm_status match(chat_set *set, const score_file *questions, const score_file *context,
                       const score_file *references, gm_error *err) {
  for (size_t i = 0; i < set->n; i++) {
    chat_entry *e = &set->entries[i];
    e->context = gm_name_table_find(&set->images, e->image, strlen(e->image));
    if (context && e->context == GM_NAME_NONE)
      return gm_fail(err, GM_ERR_ARGUMENT, "%s: has no entry for the image '%.200s' of %s",
                     context->name, e->image, questions->name);
    if (references && !e->reference)
      return gm_fail(err, GM_ERR_ARGUMENT, "%s: has no text for question_id %.200s of %s",
                     references->name, set->ids.names[i] + (set->ids.names[i][0] == '"'),
                     questions->name);
  }
  return GM_OK;
}

gm_status chat_set_read(chat_set *set, const score_file *questions, const score_file *context,
                        const score_file *references, gm_error *err) {
  *set = (chat_set){0};
  const score_list question = {NULL, read_question, true}, scene = {NULL, read_context, true},
                   reference = {NULL, read_reference, true};
  gm_status status = score_read(questions, &question, 1, set, err);
  if (status == GM_OK && set->n == 0)
    status = gm_fail(err, GM_ERR_ARGUMENT, "%s: has no question", questions->name);
  reference_reader reader = {set, set->n};
  if (status == GM_OK && context) status = score_read(context, &scene, 1, set, err);
  if (status == GM_OK && references)
    status = score_read(references, &reference, 1, &reader, err);
  return status == GM_OK ? match(set, questions, context, references, err) : status;
}

static void free_entries(chat_set *set, size_t from) {
  for (size_t i = from; i < set->n; i++) {
    free(set->entries[i].text);
    free(set->entries[i].image);
    free(set->entries[i].reference);
  }
}

void chat_set_limit(chat_set *set, size_t n) {
  if (n == 0 || n >= set->n) return;
  free_entries(set, n);
  set->n = n;
}

void chat_set_free(chat_set *set) {
  free_entries(set, 0);
  for (size_t i = 0; i < set->n_contexts; i++) free(set->contexts[i]);
  free(set->entries);
  free(set->contexts);
  gm_name_table_free(&set->ids);
  gm_name_table_free(&set->images);
  *set = (chat_set){0};
}
