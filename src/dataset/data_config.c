/* data_config.c - see data_config.h. */
#include "data_config.h"

#include "json_pull.h"
#include "room.h"
#include "text_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct config_reader {
  const char *path;
  gm_pull_reader json;
  gm_error *err;
} config_reader;

static gm_status refuse(const config_reader *c, const char *at, const char *what,
                        const gm_pull_value *found, const char *wanted) {
  gm_pull_reader place = c->json;
  place.at = at;
  return gm_fail(c->err, GM_ERR_ARGUMENT, "%s: line %zu: found %s %.*s; wanted %s", c->path,
                 gm_pull_line(&place), what, (int)(found->length < 80 ? found->length : 80),
                 found->text ? found->text : "", wanted);
}

static gm_status no_json(const config_reader *c) {
  return gm_fail(c->err, GM_ERR_ARGUMENT, "%s: line %zu: this is no JSON: wanted %s", c->path,
                 gm_pull_line(&c->json), c->json.wanted ? c->json.wanted : "a value");
}

/* ---- members of a set ---- */

static gm_status read_word(const config_reader *c, const gm_pull_value *v,
                           const char *const *words, size_t n, const char *what, int *out) {
  gm_text wanted = {0};
  for (size_t i = 0; i < n; i++) {
    if (v->kind == GM_PULL_STRING && gm_pull_is(v, words[i])) {
      *out = (int)i;
      gm_text_free(&wanted);
      return GM_OK;
    }
    gm_status status = i ? gm_text_append_string(&wanted, ", ", c->err) : GM_OK;
    if (status == GM_OK) status = gm_text_append_string(&wanted, words[i], c->err);
    if (status != GM_OK) {
      gm_text_free(&wanted);
      return status;
    }
  }
  gm_status status = refuse(c, v->text, what, v, wanted.bytes);
  gm_text_free(&wanted);
  return status;
}

static gm_status read_text(const config_reader *c, const gm_pull_value *v, char **out) {
  free(*out);
  *out = NULL;
  if (v->kind != GM_PULL_STRING || v->length == 0)
    return refuse(c, v->text, "the value", v, "a text that is not empty");
  *out = gm_pull_string(v);
  return *out ? GM_OK : gm_fail_memory(c->err, "a text", v->length);
}

/* A path as seen from the folder of the file `beside`. Takes over path. */
static char *from_folder(const char *beside, char *path) {
  const char *slash = strrchr(beside, '/');
  char *joined = NULL;
  if (!path || path[0] == '/' || !slash) return path;
  if (asprintf(&joined, "%.*s%s", (int)(slash - beside + 1), beside, path) < 0) joined = NULL;
  free(path);
  return joined;
}

/* Whether a set has these members, of which 0 is a value too. */
typedef struct seen {
  bool format, task;
} seen;

static gm_status read_member(const config_reader *c, const gm_pull_value *key,
                             const gm_pull_value *v, gm_data_spec *spec, seen *there) {
  static const char *const sources[] = {"coco", "sa1b"};
  int word = 0;
  if (gm_pull_is(key, "name")) return read_text(c, v, &spec->name);
  if (gm_pull_is(key, "file")) return read_text(c, v, &spec->file);
  if (gm_pull_is(key, "images")) return read_text(c, v, &spec->images);
  if (gm_pull_is(key, "format")) {
    GM_TRY(read_word(c, v, gm_format_names, 7, "the format", &word));
    spec->format = (gm_data_format)word;
    there->format = true;
    return GM_OK;
  }
  if (gm_pull_is(key, "task")) {
    GM_TRY(read_word(c, v, gm_task_names, 7, "the task", &word));
    spec->task = (gm_task)word;
    there->task = true;
    return GM_OK;
  }
  if (gm_pull_is(key, "source")) {
    GM_TRY(read_word(c, v, sources, 2, "the source", &word));
    spec->source = (gm_source)word;
    return GM_OK;
  }
  if (gm_pull_is(key, "share")) {
    spec->share = gm_pull_number(v);
    if (spec->share > 0 && spec->share <= 1) return GM_OK;
    return refuse(c, v->text, "the share", v, "a number above 0 and up to 1");
  }
  return refuse(c, key->text, "a member", key,
                "name, format, file, images, source, share or task");
}

static gm_status finish_spec(const config_reader *c, const char *at, gm_data_spec *spec,
                             const seen *there) {
  static const gm_pull_value nothing = {0};
  if (!spec->name || !spec->file || !there->format || !there->task)
    return refuse(c, at, "a set without one of its members", &nothing,
                  "name, format, file and task");
  if (!gm_format_has_task(spec->format, spec->task)) {
    gm_pull_reader place = c->json;
    place.at = at;
    return gm_fail(c->err, GM_ERR_ARGUMENT, "%s: line %zu: set %s: format %s has no task %s",
                   c->path, gm_pull_line(&place), spec->name, gm_format_names[spec->format],
                   gm_task_names[spec->task]);
  }
  spec->file = from_folder(c->path, spec->file);
  spec->images = spec->images ? from_folder(c->path, spec->images)
                 : spec->file ? from_folder(spec->file, strdup("images"))
                              : NULL;
  if (spec->file && spec->images) return GM_OK;
  return gm_fail_memory(c->err, "a data set's paths", strlen(c->path));
}

/* ---- lists ---- */

static gm_status read_spec(config_reader *c, gm_data_spec *spec) {
  gm_pull_value key, value;
  seen there = {false, false};
  if (gm_pull_peek(&c->json) != GM_PULL_OBJECT) {
    if (!gm_pull_read(&c->json, &value)) return no_json(c);
    return refuse(c, value.text, "the set", &value, "an object");
  }
  const char *at = c->json.at;
  for (gm_pull_enter(&c->json); gm_pull_member(&c->json, &key);) {
    if (!gm_pull_read(&c->json, &value)) return no_json(c);
    GM_TRY(read_member(c, &key, &value, spec, &there));
  }
  return c->json.wanted ? no_json(c) : finish_spec(c, at, spec, &there);
}

static gm_status read_specs(config_reader *c, gm_data_spec **specs, size_t *n) {
  gm_pull_value value;
  if (gm_pull_peek(&c->json) != GM_PULL_ARRAY) {
    if (!gm_pull_read(&c->json, &value)) return no_json(c);
    return refuse(c, value.text, "the value", &value, "a list of sets");
  }
  for (gm_pull_enter(&c->json); gm_pull_element(&c->json);) {
    gm_data_spec *grown = gm_room_for_one(*specs, *n, sizeof *grown);
    if (!grown) return gm_fail_memory(c->err, "data sets", sizeof *grown);
    *specs = grown;
    grown[*n] = (gm_data_spec){.share = 1};
    GM_TRY(read_spec(c, &grown[(*n)++]));
  }
  return c->json.wanted ? no_json(c) : GM_OK;
}

static gm_status read_config(config_reader *c, gm_data_config *out) {
  gm_pull_value key, value;
  if (gm_pull_peek(&c->json) != GM_PULL_OBJECT) {
    if (!gm_pull_read(&c->json, &value)) return no_json(c);
    return refuse(c, value.text, "the value", &value, "an object with sets");
  }
  for (gm_pull_enter(&c->json); gm_pull_member(&c->json, &key);) {
    if (gm_pull_is(&key, "sets") && !out->n_sets) {
      GM_TRY(read_specs(c, &out->sets, &out->n_sets));
    } else if (gm_pull_is(&key, "val") && !out->n_val) {
      GM_TRY(read_specs(c, &out->val, &out->n_val));
    } else if (gm_pull_is(&key, "seed")) {
      if (!gm_pull_read(&c->json, &value)) return no_json(c);
      double seed = gm_pull_number(&value);
      if (!(seed >= 0 && seed <= 0x1p53 && seed == floor(seed)))
        return refuse(c, value.text, "the seed", &value, "an integer from 0 to 2^53");
      out->seed = (uint64_t)seed;
    } else {
      return refuse(c, key.text, "a member", &key, "seed, sets and val, each once");
    }
  }
  if (c->json.wanted || !gm_pull_end(&c->json)) return no_json(c);
  if (out->n_sets) return GM_OK;
  return gm_fail(c->err, GM_ERR_ARGUMENT, "%s: found no sets; wanted at least one", c->path);
}

gm_status gm_data_config_load(gm_data_config *out, const char *path, gm_error *err) {
  char *text;
  *out = (gm_data_config){0};
  GM_TRY(gm_text_read(&text, path, err));
  config_reader c = {.path = path, .json = gm_pull_begin(text), .err = err};
  gm_status status = read_config(&c, out);
  free(text);
  if (status != GM_OK) gm_data_config_free(out);
  return status;
}

static void free_specs(gm_data_spec *specs, size_t n) {
  for (size_t i = 0; i < n; i++) {
    free(specs[i].name);
    free(specs[i].file);
    free(specs[i].images);
  }
  free(specs);
}

void gm_data_config_free(gm_data_config *config) {
  free_specs(config->sets, config->n_sets);
  free_specs(config->val, config->n_val);
  *config = (gm_data_config){0};
}
