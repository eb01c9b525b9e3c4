/* run_settings.c - see run_settings.h. */
#include "run_settings.h"

#include "option_rows.h"
#include "options.h"
#include "text_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the options say ---- */

static const void *member(const cli_option_row *row, const cli_args *args) {
  return (const char *)args + row->offset;
}

static json_t *strings_json(const cli_list *list) {
  json_t *array = json_array();
  for (size_t i = 0; i < list->n; i++)
    json_array_append_new(array, out_json_text(list->items[i]));
  return array;
}

/* NULL if the option has its default value. */
static json_t *value_of(const cli_option_row *row, const cli_args *args) {
  const void *at = member(row, args), *before = member(row, &cli_defaults);
  switch (row->kind) {
  case FLAG: {
    bool given = *(const bool *)at;
    return given ? json_true() : NULL;
  }
  case TEXT: {
    const char *text = *(const char *const *)at;
    return text ? out_json_text(text) : NULL;
  }
  case LIST: {
    const cli_list *list = at;
    return list->n ? strings_json(list) : NULL;
  }
  case NUMBER: {
    double number = *(const double *)at, none = *(const double *)before;
    return number == none || isnan(number) ? NULL : json_real(number);
  }
  default: {
    uint64_t count = *(const uint64_t *)at;
    return count == *(const uint64_t *)before ? NULL : json_integer((json_int_t)count);
  }
  }
}

/* "SHA-256 ..." of the file's content, or NULL. The text was kept when it was first read, since
 * a pipe can be read only once. */
static json_t *sum_of(const cli_option_row *row, const cli_args *args) {
  const char *path = *(const char *const *)member(row, args);
  char option[40], sum[65];
  size_t size;
  snprintf(option, sizeof option, "--%s", row->name);
  const char *text = path ? cli_kept_text(option, path, CLI_MAX_TEXT, &size) : NULL;
  if (!text) return NULL;
  gm_sha256(text, size, sum);
  return json_sprintf("SHA-256 %s", sum);
}

static bool is_counted(cli_changes changes) {
  return changes == CHANGES_RESULT || changes == CHANGES_FILE || changes == CHANGES_LIMIT;
}

json_t *cli_option_settings(const cli_command *command, const cli_args *args, json_t *own) {
  json_t *all = json_object(), *value;
  const char *name;
  for (const cli_option_row *row = cli_option_rows; all && row->name; row++) {
    char option[40];
    if (!is_counted(row->changes) || !cli_option_admitted(command, row)) continue;
    snprintf(option, sizeof option, "--%s", row->name);
    value = row->changes == CHANGES_FILE ? sum_of(row, args) : value_of(row, args);
    if (value) json_object_set_new(all, option, value);
  }
  if (all) json_object_set_new(all, "the command", json_string(command->name));
  json_object_foreach(own, name, value) {
    if (json_is_null(value))
      json_object_del(all, name);
    else
      json_object_set(all, name, value);
  }
  return all;
}

/* ---- what a run of pictures adds ---- */

static json_t *boxes_json(const double (*boxes)[4], size_t n) {
  json_t *array = json_array();
  for (size_t i = 0; i < n; i++)
    json_array_append_new(
        array, json_pack("[f,f,f,f]", boxes[i][0], boxes[i][1], boxes[i][2], boxes[i][3]));
  return array;
}

json_t *cli_run_settings(const cli_job *job, const cli_run_models *models) {
  json_t *own =
      json_pack("{s:s, s:s, s:s, s:s}", "gromatic", gm_version(), "the model's SHA-256",
                models->hash, "CLIP's SHA-256", models->clip_hash,
                "the instruction set (GROMATIC_CPU)", models->kernels);
  if (!own) return NULL;
  if (models->n_regions)
    json_object_set_new(own, "--regions", boxes_json(models->regions, models->n_regions));
  if (models->adapters) json_object_set_new(own, "--adapter", models->adapters);
  if (job->phrases) json_object_set_new(own, "--phrase", strings_json(job->phrases));
  if (job->format == BOX_XYXY) json_object_set_new(own, "--box-format", json_null());
  if (job->settings) json_object_update(own, job->settings);
  json_t *all = cli_option_settings(cli_command_named(job->command), job->args, own);
  json_decref(own);
  return all;
}

/* ---- comparing ---- */

/* The longest value that is shown whole. */
enum { LONGEST = 80 };

static void put_value(FILE *out, const json_t *value) {
  char *text = json_is_null(value) || !value
                   ? NULL
                   : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
  fprintf(out, text ? "%.*s%s" : "not given", LONGEST, text ? text : "",
          text && strlen(text) > LONGEST ? "..." : "");
  free(text);
}

/* The number, from 1, of the first element in which two lists differ; 0 if both are short
 * enough to be shown whole. */
static size_t first_difference(const json_t *before, const json_t *now) {
  size_t i = 0;
  if (!json_is_array(before) || !json_is_array(now)) return 0;
  char *texts[] = {json_dumps(before, 0), json_dumps(now, 0)};
  bool whole =
      texts[0] && texts[1] && strlen(texts[0]) <= LONGEST && strlen(texts[1]) <= LONGEST;
  free(texts[0]);
  free(texts[1]);
  if (whole) return 0;
  while (json_equal(json_array_get(before, i), json_array_get(now, i))) i++;
  return i + 1;
}

static bool put_difference(FILE *out, bool first, const char *name, const json_t *before,
                           const json_t *now) {
  size_t number = first_difference(before, now);
  fprintf(out, "%s%s ", first ? "" : "; ", name);
  if (number) {
    fprintf(out, "number %zu ", number);
    before = json_array_get(before, number - 1);
    now = json_array_get(now, number - 1);
  }
  put_value(out, before);
  fputs(", now ", out);
  put_value(out, now);
  return false;
}

/* Whether this option only decides which inputs fail. */
static bool is_limit(const char *name) {
  for (const cli_option_row *row = cli_option_rows; row->name; row++)
    if (row->changes == CHANGES_LIMIT && strncmp(name, "--", 2) == 0 &&
        strcmp(name + 2, row->name) == 0)
      return true;
  return false;
}

/* The difference that is reported alone: another version, or another command, has other options
 * and defaults. NULL if neither differs. */
static const char *foremost(const json_t *before, const json_t *now) {
  static const char *const names[] = {"gromatic", "the command"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const json_t *a = json_object_get(before, names[i]), *b = json_object_get(now, names[i]);
    if ((a || b) && !json_equal(a, b)) return names[i];
  }
  return NULL;
}

char *cli_settings_difference(json_t *before, json_t *now, bool *limits) {
  char *text = NULL;
  size_t size;
  const char *name;
  json_t *value;
  bool first = true;
  *limits = false;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  const char *only = foremost(before, now);
  *limits = !only;
  if (only)
    put_difference(out, true, only, json_object_get(before, only), json_object_get(now, only));
  json_object_foreach(only ? NULL : now, name, value) {
    const json_t *earlier = json_object_get(before, name);
    if (json_equal(earlier, value)) continue;
    *limits = *limits && is_limit(name);
    first = put_difference(out, first, name, earlier, value);
  }
  json_object_foreach(only ? NULL : before, name, value) {
    if (json_object_get(now, name)) continue;
    *limits = *limits && is_limit(name);
    first = put_difference(out, first, name, value, NULL);
  }
  fclose(out);
  return text;
}
