/* score_file.c - see score_file.h. */
#include "score_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double score_iou(score_box a, score_box b) {
  double right = a.x + a.w < b.x + b.w ? a.x + a.w : b.x + b.w;
  double bottom = a.y + a.h < b.y + b.h ? a.y + a.h : b.y + b.h;
  double w = right - (a.x > b.x ? a.x : b.x), h = bottom - (a.y > b.y ? a.y : b.y);
  if (!(w > 0 && h > 0)) return 0;
  /* Of boxes far away or very small, sums are rounded so much that the union can vanish. */
  double shared = w * h, all = a.w * a.h + b.w * b.h - shared;
  if (!(shared > 0)) return 0;
  return all > shared ? shared / all : 1;
}

gm_status score_wrong(const score_file *file, const char *at, gm_error *err, const char *format,
                      ...) {
  char what[300];
  size_t line = 1;
  va_list values;
  va_start(values, format);
  vsnprintf(what, sizeof what, format, values);
  va_end(values);
  for (const char *c = file->text; c < at; c++) line += *c == '\n';
  return gm_fail(err, GM_ERR_ARGUMENT, "%s:%zu: %s", file->name, line, what);
}

static gm_status not_json(const score_file *file, const gm_pull_reader *json, gm_error *err) {
  return score_wrong(file, json->at, err, "is not JSON here: wanted %s",
                     json->wanted ? json->wanted : "a value");
}

static gm_status read_list(const score_file *file, const score_list *list, gm_pull_reader *json,
                           void *user, gm_error *err) {
  gm_status status = GM_OK;
  if (gm_pull_peek(json) != GM_PULL_ARRAY)
    return score_wrong(file, json->at, err, "%s%swanted a list [...]",
                       list->name ? list->name : "", list->name ? ": " : "");
  for (gm_pull_enter(json); status == GM_OK && gm_pull_element(json);)
    status = list->read(user, file, json, err);
  return status;
}

static const score_list *list_named(const score_list *lists, size_t n,
                                    const gm_pull_value *key) {
  for (size_t i = 0; i < n; i++)
    if (lists[i].name && gm_pull_is(key, lists[i].name)) return &lists[i];
  return NULL;
}

gm_status score_read(const score_file *file, const score_list *lists, size_t n, void *user,
                     gm_error *err) {
  gm_pull_reader json = gm_pull_begin(file->text);
  gm_status status = GM_OK;
  unsigned seen = 0;
  if (!lists[0].name) {
    gm_pull_kind next;
    do
      status = lists[0].lines && gm_pull_peek(&json) == GM_PULL_OBJECT
                   ? lists[0].read(user, file, &json, err)
                   : read_list(file, &lists[0], &json, user, err);
    while (status == GM_OK && !json.wanted && (next = gm_pull_peek(&json)) &&
           (next == GM_PULL_ARRAY || (lists[0].lines && next == GM_PULL_OBJECT)));
  } else {
    if (gm_pull_peek(&json) != GM_PULL_OBJECT)
      return score_wrong(file, json.at, err, "wanted an object with the list '%s'",
                         lists[0].name);
    gm_pull_value key, value;
    for (gm_pull_enter(&json); status == GM_OK && gm_pull_member(&json, &key);) {
      const score_list *list = list_named(lists, n, &key);
      if (list && seen >> (list - lists) & 1)
        return score_wrong(file, key.text, err, "the list '%s' is there twice", list->name);
      if (list) seen |= 1u << (list - lists);
      if (list)
        status = read_list(file, list, &json, user, err);
      else if (!gm_pull_read(&json, &value))
        break;
    }
  }
  if (status != GM_OK) return status;
  if (!gm_pull_end(&json)) return not_json(file, &json, err);
  for (size_t i = 0; i < n; i++)
    if (lists[i].name && !(seen >> i & 1))
      return gm_fail(err, GM_ERR_ARGUMENT, "%s: has no list '%s'", file->name, lists[i].name);
  return GM_OK;
}

gm_status score_members(const score_file *file, gm_pull_reader *json, const char **entry,
                        const char *const *names, gm_pull_value *values, size_t n,
                        gm_error *err) {
  if (!gm_pull_members(json, entry, names, values, n)) return not_json(file, json, err);
  return GM_OK;
}

gm_status score_id(const score_file *file, const char *entry, gm_name_table *ids,
                   const char *name, const gm_pull_value *value, size_t *number,
                   gm_error *err) {
  gm_status status = gm_id_number(ids, value, number, err);
  if (status != GM_OK || *number != GM_NAME_NONE) return status;
  return score_wrong(file, entry, err, "an entry without %s: wanted a number or a string",
                     name);
}

gm_status score_phrase_number(gm_name_table *ids, size_t image, const char *phrase,
                              size_t *number, gm_error *err) {
  char *name = NULL;
  int n = asprintf(&name, "%zu/%s", image, phrase);
  *number = n < 0 ? GM_NAME_NONE : gm_name_table_add(ids, name, (size_t)n);
  if (n >= 0) free(name);
  return *number == GM_NAME_NONE ? gm_fail_memory(err, "phrases", strlen(phrase)) : GM_OK;
}

gm_status score_read_box(const score_file *file, const char *entry, const gm_pull_value *value,
                         score_box *box, gm_error *err) {
  double v[4];
  if (value->kind != GM_PULL_ARRAY || !gm_pull_numbers(value, v, 4) || v[2] < 0 || v[3] < 0)
    return score_wrong(file, entry, err,
                       "bbox is not [x, y, width, height], four numbers without a negative "
                       "width or height");
  *box = (score_box){v[0], v[1], v[2], v[3]};
  return GM_OK;
}

gm_status score_read_text(const score_file *file, const char *entry, const char *name,
                          const gm_pull_value *value, char **text, gm_error *err) {
  if (value->kind != GM_PULL_STRING)
    return score_wrong(file, entry, err, "%s is not a string", name);
  *text = gm_pull_string(value);
  return *text ? GM_OK : gm_fail_memory(err, name, value->length);
}
