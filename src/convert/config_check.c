/* config_check.c - see config_check.h. */
#include "config_check.h"

#include "json_file.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 256, SHOWN = 40 };

/* A list of findings for an error's message. Those that do not fit are counted. */
typedef struct findings {
  char text[480]; /* two of these fit one message */
  size_t length, n, n_left_out;
  const char *file; /* of the last finding; named once for all its members */
} findings;

typedef struct checker {
  const gm_source *source;
  const gm_config_file *file;
  const size_t *dims;
  findings refused, unknown;
  char names[300]; /* names of the unknown members, for --ignore-config */
  size_t names_length;
  bool names_left_out;
} checker;

/* ---- findings */

__attribute__((format(printf, 3, 4))) static void add_finding(findings *f, const char *file,
                                                              const char *format, ...) {
  char text[400];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  assert(f->length < sizeof f->text);
  bool same = f->file == file;
  const char *before = f->n == 0 ? "" : same ? ", " : "; ";
  int n = snprintf(f->text + f->length, sizeof f->text - f->length, "%s%s%s%s", before,
                   same ? "" : file, same ? "" : ": ", text);
  f->n++;
  if (n < 0 || (size_t)n >= sizeof f->text - f->length) {
    f->text[f->length] = 0;
    f->n_left_out++;
    return;
  }
  f->length += (size_t)n;
  f->file = file;
}

/* The value as JSON, cut short. */
static void show(char out[SHOWN + 4], const json_t *value) {
  char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
  size_t n = text ? strlen(text) : 0;
  if (n > SHOWN) {
    n = SHOWN;
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    snprintf(out, SHOWN + 4, "%.*s...", (int)n, text);
  } else {
    snprintf(out, SHOWN + 4, "%s", text ? text : "?");
  }
  free(text);
}

/* ---- unknown members */

bool gm_source_ignores(const gm_source *source, const char *file, const char *path) {
  char full[2 * MAX_PATH];
  const char *dot = strrchr(path, '.'), *last = dot ? dot + 1 : path;
  snprintf(full, sizeof full, "%s:%s", file, path);
  const char *at = source->params ? source->params->ignore_config : NULL;
  while (at && *at) {
    char pattern[MAX_PATH];
    size_t n = strcspn(at, ",");
    snprintf(pattern, sizeof pattern, "%.*s", (int)(n < MAX_PATH ? n : 0), at);
    at += n + (at[n] == ',');
    if (*pattern && (fnmatch(pattern, path, 0) == 0 || fnmatch(pattern, last, 0) == 0 ||
                     fnmatch(pattern, full, 0) == 0))
      return true;
  }
  return false;
}

static void meet_unknown(checker *k, const char *path, const json_t *value) {
  if (gm_source_ignores(k->source, k->file->name, path)) return;
  char text[SHOWN + 4];
  show(text, value);
  size_t before = k->unknown.length;
  add_finding(&k->unknown, k->file->name, "%s = %s", path, text);
  if (k->unknown.length == before) k->names_left_out = true;
  if (k->names_left_out) return;
  int n = snprintf(k->names + k->names_length, sizeof k->names - k->names_length, "%s%s",
                   k->names_length ? "," : "", path);
  if (n > 0 && (size_t)n < sizeof k->names - k->names_length)
    k->names_length += (size_t)n;
  else
    k->names_left_out = true;
}

/* ---- one member */

static bool same_value(const json_t *found, const char *wanted) {
  json_t *value = json_loads(wanted, JSON_DECODE_ANY, NULL);
  bool same = json_is_number(found) && json_is_number(value)
                  ? json_number_value(found) == json_number_value(value)
                  : json_equal(found, value) == 1;
  json_decref(value);
  return same;
}

static bool is_one_of(const json_t *found, const char *const *list) {
  while (*list && !same_value(found, *list)) list++;
  return *list != NULL;
}

static void judge_only(checker *k, const char *path, const json_t *found, const gm_member *m) {
  const json_t *value = found;
  char text[SHOWN + 4], list[200] = "";
  if (m->kind == GM_MEMBER_TOKEN && json_is_object(found))
    value = json_object_get(found, "content");
  if (is_one_of(value, m->only)) return;
  for (size_t i = 0, at = 0; m->only[i] && at < sizeof list; i++)
    at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? " or " : "", m->only[i]);
  show(text, value);
  add_finding(&k->refused, k->file->name, "%s: found %s; only %s is computed", path, text,
              list);
}

/* The number, or an array of this number twice. */
static bool has_size(const json_t *found, size_t wanted) {
  if (json_is_number(found)) return json_number_value(found) == (double)wanted;
  if (!json_is_array(found) || json_array_size(found) != 2) return false;
  return has_size(json_array_get(found, 0), wanted) &&
         has_size(json_array_get(found, 1), wanted);
}

static void judge(checker *k, const char *path, const json_t *found, const gm_member *m) {
  char text[SHOWN + 4];
  switch (m->kind) {
  case GM_MEMBER_HABIT:
    if (!is_one_of(found, m->only)) meet_unknown(k, path, found);
    break;
  case GM_MEMBER_ONLY:
  case GM_MEMBER_TOKEN:
    judge_only(k, path, found, m);
    break;
  case GM_MEMBER_SIZE:
    if (has_size(found, k->dims[m->size])) break;
    show(text, found);
    add_finding(&k->refused, k->file->name, "%s: found %s, but the weights have %zu", path,
                text, k->dims[m->size]);
    break;
  case GM_MEMBER_READ:
  case GM_MEMBER_HARMLESS:
    break;
  }
}

/* ---- objects */

static const gm_member *find_member(const gm_config_file *file, const char *path,
                                    const char *name) {
  for (size_t r = 0; r < file->n; r++) {
    if (strcmp(file->rows[r].path, path) != 0) continue;
    for (const gm_member *m = file->rows[r].members; m->name; m++)
      if (fnmatch(m->name, name, 0) == 0) return m;
  }
  return NULL;
}

static bool has_rows(const gm_config_file *file, const char *path) {
  for (size_t r = 0; r < file->n; r++)
    if (strcmp(file->rows[r].path, path) == 0) return true;
  return false;
}

/* Goes as deep as the tables' longest path. */
static void check_object(checker *k, const json_t *object, const char *path) {
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)object, name, value) {
    char full[MAX_PATH];
    snprintf(full, sizeof full, "%s%s%s", path, *path ? "." : "", name);
    const gm_member *member = find_member(k->file, path, name);
    if (member)
      judge(k, full, value, member);
    else if (!has_rows(k->file, full))
      meet_unknown(k, full, value);
    else if (json_is_object(value))
      check_object(k, value, full);
    else if (!json_is_null(value))
      add_finding(&k->refused, k->file->name, "%s: found no object", full);
  }
}

/* ---- all files */

static void left_out(char out[40], const findings *f) {
  out[0] = 0;
  if (f->n_left_out) snprintf(out, 40, " and %zu more", f->n_left_out);
}

static gm_status tell(const checker *k, gm_error *err) {
  char more[40];
  if (k->refused.n) {
    left_out(more, &k->refused);
    return gm_fail(err, GM_ERR_MODEL, "%s%s%s%s%s", k->refused.text, more,
                   k->unknown.n ? "; not known here: " : "", k->unknown.text,
                   k->unknown.n_left_out ? " and more" : "");
  }
  if (!k->unknown.n) return GM_OK;
  left_out(more, &k->unknown);
  return gm_fail(
      err, GM_ERR_MODEL,
      "found members or values that are not known here: %s%s; they may change what the model "
      "computes. If they do not, go on with --ignore-config %s",
      k->unknown.text, more,
      k->names_left_out ? "NAME,... ('*' stands for anything)" : k->names);
}

static gm_status open_all(gm_configs *c, const gm_source *source, checker *k, gm_error *err) {
  for (size_t i = 0; i < c->n; i++) {
    gm_error why = {GM_OK, ""};
    gm_status status = gm_source_json(source, c->files[i].name, &c->roots[i], &why);
    if (status == GM_ERR_FILE_NOT_FOUND) continue;
    if (status != GM_OK) {
      if (err) *err = why;
      return status;
    }
    k->file = &c->files[i];
    if (k->file->prepare && !k->file->prepare(&c->roots[i]))
      return gm_fail_memory(err, k->file->name, sizeof(json_t));
    check_object(k, c->roots[i], "");
  }
  return tell(k, err);
}

gm_status gm_configs_open(gm_configs *out, const gm_source *source, const gm_config_file *files,
                          size_t n, const size_t *dims, gm_error *err) {
  *out = (gm_configs){.files = files, .n = n < GM_MAX_CONFIGS ? n : GM_MAX_CONFIGS};
  checker *k = calloc(1, sizeof *k);
  if (!k) return gm_fail_memory(err, "the configuration's check", sizeof *k);
  k->source = source;
  k->dims = dims;
  gm_status status = open_all(out, source, k, err);
  free(k);
  return status;
}

void gm_configs_close(gm_configs *configs) {
  for (size_t i = 0; i < configs->n; i++) json_decref(configs->roots[i]);
  *configs = (gm_configs){0};
}

const json_t *gm_configs_root(const gm_configs *configs, const char *name) {
  for (size_t i = 0; i < configs->n; i++)
    if (strcmp(configs->files[i].name, name) == 0) return configs->roots[i];
  return NULL;
}
