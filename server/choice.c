/* choice.c - see choice.h. */
#include "choice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const srv_plan *plan_of(const srv_job *job) {
  return job->plan;
}

bool srv_choice_names(srv_job *job) {
  bool wanted = !json_object_get(plan_of(job)->json, "descriptions");
  const char *twice;
  if (!srv_plan_texts(job, "classes", wanted)) return false;
  if (!out_name_twice(plan_of(job)->texts, plan_of(job)->n_texts, &twice))
    srv_reply_error(job, 503, "out_of_memory", "no memory for the classes");
  else if (twice)
    srv_reply_error(job, 400, "bad_argument",
                    "classes: found '%.100s' twice, wanted each name once", twice);
  else
    return true;
  return false;
}

static bool read_method(srv_job *job, gm_method *out) {
  const json_t *method = json_object_get(plan_of(job)->json, "method");
  if (!method || json_is_null(method)) return true;
  if (json_is_string(method) && gm_method_named(json_string_value(method), out)) return true;
  srv_reply_error(job, 400, "bad_argument",
                  "method: wanted wca, wca-released, clip, clip-e, clip-d, waffle or cupl");
  return false;
}

static bool read_preset(srv_job *job, const char **out) {
  const json_t *preset = json_object_get(plan_of(job)->json, "preset");
  *out = json_string_value(preset);
  if (!preset || json_is_null(preset) || *out) return true;
  srv_reply_error(job, 400, "bad_argument", "preset: wanted a string");
  return false;
}

/* What the library takes as the content of a JSON file. */
static bool read_json(srv_job *job, const char *name, bool list, char **own, const char **out) {
  json_t *value = json_object_get(plan_of(job)->json, name);
  if (!value || json_is_null(value)) return true;
  if (list ? json_is_array(value) : json_is_object(value)) {
    *out = *own = json_dumps(value, JSON_COMPACT);
    if (*own) return true;
    srv_reply_error(job, 503, "out_of_memory", "no memory for %s", name);
    return false;
  }
  srv_reply_error(job, 400, "bad_argument",
                  list ? "%s: wanted a list, as [\"a photo of a {}.\", ...]"
                       : "%s: wanted an object, as {\"a class\": [\"a text\", ...]}",
                  name);
  return false;
}

/* One a line for the library. */
static bool read_words(srv_job *job, char **own, const char **out) {
  json_t *list = json_object_get(plan_of(job)->json, "words"), *word;
  size_t size = 1, i;
  if (!list || json_is_null(list)) return true;
  bool ok = json_array_size(list) > 0;
  json_array_foreach(list, i, word) {
    const char *text = json_string_value(word);
    ok = ok && text && *text && !strpbrk(text, "\r\n") &&
         strlen(text) == json_string_length(word);
    size += json_string_length(word) + 1;
  }
  if (!ok) {
    srv_reply_error(job, 400, "bad_argument",
                    "words: wanted a list of strings that are not empty, each of one line");
    return false;
  }
  char *at = *own = malloc(size);
  if (!at) {
    srv_reply_error(job, 503, "out_of_memory", "no memory for words");
    return false;
  }
  json_array_foreach(list, i, word) {
    at = stpcpy(at, json_string_value(word));
    *at++ = '\n';
  }
  *at = 0;
  *out = *own;
  return true;
}

bool srv_choice_read(srv_job *job, srv_choice *out) {
  *out = (srv_choice){.choice = out_class_choice_default()};
  out_class_choice *c = &out->choice;
  double crops = -1, draws = 0, redraws = 0, seed = 0;
  c->names = plan_of(job)->texts;
  c->n_names = plan_of(job)->n_texts;
  bool ok = read_method(job, &c->method) && read_preset(job, &c->preset) &&
            read_json(job, "descriptions", false, &out->own[0], &c->descriptions) &&
            read_json(job, "templates", true, &out->own[1], &c->templates) &&
            read_json(job, "descriptors", false, &out->own[2], &c->descriptors) &&
            read_words(job, &out->own[3], &c->words) &&
            srv_plan_count(job, "crops", 1, SRV_MAX_CROPS, &crops) &&
            srv_plan_number(job, "alpha", 0, 1, &c->alpha) &&
            srv_plan_number(job, "beta", 0, 1, &c->beta) &&
            srv_plan_number(job, "image_scale", -13, 13, &c->image_scale) &&
            srv_plan_number(job, "text_scale", -13, 13, &c->text_scale) &&
            srv_plan_count(job, "draws", 1, 65536, &draws) &&
            srv_plan_count(job, "redraws", 1, 65536, &redraws) &&
            srv_plan_count(job, "seed", 0, 9e15, &seed) &&
            srv_plan_flag(job, "dedup", &c->dedup) &&
            srv_plan_number(job, "dedup_iou", 0, 1, &c->dedup_iou) &&
            srv_plan_number(job, "dedup_cosine", 0, 1, &c->dedup_cosine);
  if (crops > 0) c->crops = (uint64_t)crops;
  c->draws = (uint32_t)draws;
  c->redraws = (uint32_t)redraws;
  c->seed = (uint64_t)seed;
  return ok;
}

void srv_choice_free(srv_choice *choice) {
  for (size_t i = 0; i < sizeof choice->own / sizeof choice->own[0]; i++) free(choice->own[i]);
}
