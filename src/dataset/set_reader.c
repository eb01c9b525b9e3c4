/* set_reader.c - see set_reader.h. */
#include "set_reader.h"

#include "room.h"
#include "tags.h"
#include "utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- filling the set ---- */

gm_status gm_set_add_text(gm_set_reader *r, const char *text, size_t length, size_t *offset) {
  gm_text *texts = &r->set->texts;
  *offset = texts->length;
  GM_TRY(gm_text_append(texts, text, length, r->err));
  return gm_text_append(texts, "", 1, r->err);
}

gm_status gm_set_add_box(gm_set_reader *r, const gm_data_box *box) {
  gm_data_set *set = r->set;
  gm_data_box *grown = gm_room_for_one(set->boxes, set->n_boxes, sizeof *grown);
  if (!grown) return gm_fail_memory(r->err, "boxes", 2 * set->n_boxes * sizeof *grown);
  set->boxes = grown;
  grown[set->n_boxes++] = *box;
  return GM_OK;
}

gm_status gm_set_add_turn(gm_set_reader *r, size_t question, size_t answer) {
  gm_data_set *set = r->set;
  gm_data_turn *grown = gm_room_for_one(set->turns, set->n_turns, sizeof *grown);
  if (!grown) return gm_fail_memory(r->err, "turns", 2 * set->n_turns * sizeof *grown);
  set->turns = grown;
  grown[set->n_turns++] = (gm_data_turn){question, answer};
  return GM_OK;
}

gm_status gm_set_add_picture(gm_set_reader *r, const gm_data_picture *picture) {
  gm_data_set *set = r->set;
  if (set->n_pictures == UINT32_MAX)
    return gm_fail(r->err, GM_ERR_ARGUMENT, "%s: more than %u pictures", set->spec.file,
                   UINT32_MAX);
  gm_data_picture *grown = gm_room_for_one(set->pictures, set->n_pictures, sizeof *grown);
  if (!grown) return gm_fail_memory(r->err, "pictures", 2 * set->n_pictures * sizeof *grown);
  set->pictures = grown;
  grown[set->n_pictures++] = *picture;
  return GM_OK;
}

/* The name in lower case (simple mappings, as Python's lower() for all but a few letters). */
static gm_status add_lower(gm_set_reader *r, const char *name, size_t *offset) {
  char lower[4];
  gm_text text = {0};
  gm_status status = GM_OK;
  const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)name;
  for (utf8proc_int32_t code; status == GM_OK && *at;) {
    utf8proc_ssize_t n = utf8proc_iterate(at, -1, &code);
    if (n <= 0) break; /* the file is UTF-8, so this does not happen */
    at += n;
    n = utf8proc_encode_char(utf8proc_tolower(code), (utf8proc_uint8_t *)lower);
    status = gm_text_append(&text, lower, (size_t)n, r->err);
  }
  if (status == GM_OK)
    status = gm_set_add_text(r, text.bytes ? text.bytes : "", text.length, offset);
  gm_text_free(&text);
  return status;
}

gm_status gm_set_add_category(gm_set_reader *r, gm_name_table *names, const char *name,
                              size_t article, size_t *index) {
  gm_data_set *set = r->set;
  size_t text, n = set->n_categories;
  GM_TRY(add_lower(r, name, &text));
  *index = gm_name_table_add_name(names, gm_data_text(set, text));
  if (*index < n) return GM_OK;
  size_t *categories = gm_room_for_one(set->categories, n, sizeof *categories);
  if (categories) set->categories = categories;
  size_t *articles = gm_room_for_one(set->articles, n, sizeof *articles);
  if (articles) set->articles = articles;
  if (*index == GM_NAME_NONE || !categories || !articles)
    return gm_fail_memory(r->err, "categories", 2 * n * sizeof *categories);
  categories[n] = text;
  articles[n] = article;
  set->n_categories++;
  return GM_OK;
}

gm_status gm_set_add_file(gm_set_reader *r, const gm_pull_value *value, size_t *offset) {
  char *file = gm_pull_string(value);
  if (!file) return gm_fail_memory(r->err, "a file name", value->length);
  gm_status status = gm_set_add_text(r, file, strlen(file), offset);
  free(file);
  return status;
}

gm_status gm_set_add_phrase(gm_set_reader *r, const gm_pull_value *value, bool trim,
                            const char *entry, size_t *offset) {
  *offset = GM_NO_TEXT;
  if (value->kind != GM_PULL_STRING)
    return gm_set_fault(r, GM_FAULT_ENTRY, entry, "a text is absent");
  char *text = gm_pull_string(value);
  if (!text) return gm_fail_memory(r->err, "a text", value->length);
  size_t begin = 0, end = strlen(text), length;
  const char *tag = gm_find_tag(text, &length);
  gm_trim_left(text, &begin, end);
  gm_trim_right(text, begin, &end);
  gm_status status = GM_OK;
  if (begin == end)
    status = gm_set_fault(r, GM_FAULT_TEXT, entry, "a text is empty");
  else if (tag)
    status = gm_set_fault(r, GM_FAULT_TAGS, entry, "'%.60s' has the tag %.*s in it", text,
                          (int)length, tag);
  else if (trim)
    status = gm_set_add_text(r, text + begin, end - begin, offset);
  else
    status = gm_set_add_text(r, text, strlen(text), offset);
  free(text);
  return status;
}

/* ---- faults ---- */

/* " annotation 7" by the entry's id or file name, as the file has it. */
static void name_entry(char *out, size_t size, const char *entry) {
  static const char *const names[] = {"id", "file_name", "filename", "image"};
  gm_pull_reader p = gm_pull_begin(entry);
  gm_pull_value value;
  out[0] = 0;
  if (gm_pull_peek(&p) != GM_PULL_OBJECT || !gm_pull_read(&p, &value)) return;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    gm_pull_value id = gm_pull_member_of(&value, names[i]);
    if (id.kind != GM_PULL_STRING && id.kind != GM_PULL_NUMBER) continue;
    snprintf(out, size, " %s %.*s:", names[i], (int)(id.length < 100 ? id.length : 100),
             id.text);
    return;
  }
}

gm_status gm_set_fault(gm_set_reader *r, gm_data_fault kind, const char *entry,
                       const char *format, ...) {
  char what[300], name[140];
  if (!gm_report_wants(r->report, kind))
    return gm_report_fault(r->report, kind, r->err, "%s", gm_fault_name(kind));
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  gm_pull_reader place = r->json;
  place.at = entry;
  name_entry(name, sizeof name, entry);
  return gm_report_fault(r->report, kind, r->err, "%s: line %zu:%s %s", r->set->spec.file,
                         gm_pull_line(&place), name, what);
}

/* ---- values ---- */

bool gm_pull_members(gm_pull_reader *p, const char **entry, const char *const *names,
                     gm_pull_value *values, size_t n) {
  gm_pull_value key, value;
  for (size_t i = 0; i < n; i++) values[i] = (gm_pull_value){0};
  bool object = gm_pull_peek(p) == GM_PULL_OBJECT;
  *entry = p->at;
  if (!object) return gm_pull_read(p, &value);
  for (gm_pull_enter(p); gm_pull_member(p, &key);) {
    if (!gm_pull_read(p, &value)) return false;
    for (size_t i = 0; i < n; i++)
      if (gm_pull_is(&key, names[i])) values[i] = value;
  }
  return !p->wanted;
}

static gm_status add_id(gm_name_table *ids, const char *text, size_t length, size_t *number,
                        gm_error *err) {
  *number = gm_name_table_add(ids, text, length);
  return *number == GM_NAME_NONE ? gm_fail_memory(err, "ids", length) : GM_OK;
}

gm_status gm_id_number(gm_name_table *ids, const gm_pull_value *v, size_t *number,
                       gm_error *err) {
  char text[40];
  *number = GM_NAME_NONE;
  if (v->kind == GM_PULL_STRING) { /* with a quote in front, so that "1" is not 1 */
    char *plain = gm_pull_string(v), *key = NULL;
    if (plain && asprintf(&key, "\"%s", plain) < 0) key = NULL;
    gm_status status = key ? add_id(ids, key, strlen(key), number, err)
                           : gm_fail_memory(err, "ids", v->length);
    free(plain);
    free(key);
    return status;
  }
  double value = gm_pull_number(v);
  if (!isfinite(value)) return GM_OK;
  if (strspn(v->text, "-0123456789") >= v->length && !gm_pull_is(v, "-0"))
    return add_id(ids, v->text, v->length, number, err);
  bool whole = value == floor(value) && fabs(value) < 1e15;
  snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", value + 0.0); /* -0 + 0 is 0 */
  return add_id(ids, text, strlen(text), number, err);
}

bool gm_pull_numbers(const gm_pull_value *value, double *out, size_t n) {
  size_t i = 0;
  if (value->kind != GM_PULL_ARRAY) return false;
  gm_pull_reader p = gm_pull_begin(value->text);
  for (gm_pull_enter(&p); gm_pull_element(&p); i++) {
    gm_pull_value number;
    gm_pull_read(&p, &number);
    double v = gm_pull_number(&number);
    if (i == n || !(fabs(v) < 1e9)) return false; /* also NaN */
    out[i] = v;
  }
  return i == n;
}

uint32_t gm_pull_side(const gm_pull_value *value) {
  double side = gm_pull_number(value);
  return side >= 1 && side <= 1 << 24 && side == floor(side) ? (uint32_t)side : 0;
}

static double clamp(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

gm_rel_box gm_clipped_box(double x1, double y1, double x2, double y2, double width,
                          double height) {
  x1 = clamp(x1, 0, width) / width;
  x2 = clamp(x2, 0, width) / width;
  y1 = clamp(y1, 0, height) / height;
  y2 = clamp(y2, 0, height) / height;
  return (gm_rel_box){(float)((x1 + x2) / 2), (float)((y1 + y2) / 2), (float)(x2 - x1),
                      (float)(y2 - y1)};
}

size_t gm_byte_of(const char *text, size_t n, double place) {
  size_t at = 0;
  uint32_t code;
  if (!(place >= 0) || place != floor(place)) return GM_NAME_NONE;
  for (double i = 0; i < place; i++) {
    if (at >= n) return GM_NAME_NONE;
    size_t length = gm_utf8_read(text + at, n - at, &code);
    at += length ? length : 1;
  }
  return at;
}

bool gm_pull_listed(gm_pull_reader *p, bool *entered, bool *lines) {
  if (p->wanted) return false; /* the reader stands where it failed, and would for ever */
  if (!*entered) {
    *entered = true;
    *lines = gm_pull_peek(p) != GM_PULL_ARRAY;
    if (!*lines && !gm_pull_enter(p)) return false;
  }
  if (!*lines) return gm_pull_element(p) || (gm_pull_end(p), false);
  return gm_pull_peek(p) == GM_PULL_OBJECT || (gm_pull_end(p), false);
}
