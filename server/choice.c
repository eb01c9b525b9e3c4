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
  const char *name = NULL;
  return srv_plan_text(job, "method", &name) && (!name || gm_method_named(name, out));
}

/* What the library takes as the content of a JSON file. */
static bool read_json(srv_job *job, const char *name, char **own, const char **out) {
  json_t *value = json_object_get(plan_of(job)->json, name);
  if (!value || json_is_null(value)) return true;
  *out = *own = json_dumps(value, JSON_COMPACT);
  if (!*own) srv_reply_error(job, 503, "out_of_memory", "no memory for %s", name);
  return *own != NULL;
}

/* One a line for the library. */
static bool read_words(srv_job *job, char **own, const char **out) {
  json_t *list = json_object_get(plan_of(job)->json, "words"), *word;
  size_t size = 1, i;
  if (!list || json_is_null(list)) return true;
  bool ok = true;
  json_array_foreach(list, i, word) {
    ok = ok && !strpbrk(json_string_value(word), "\r\n");
    size += json_string_length(word) + 1;
  }
  if (!ok) {
    srv_reply_error(job, 400, "bad_argument", "words: wanted strings of one line each");
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
  bool ok =
      read_method(job, &c->method) && srv_plan_text(job, "preset", &c->preset) &&
      read_json(job, "descriptions", &out->own[0], &c->descriptions) &&
      read_json(job, "templates", &out->own[1], &c->templates) &&
      read_json(job, "descriptors", &out->own[2], &c->descriptors) &&
      read_words(job, &out->own[3], &c->words) && srv_plan_number(job, "crops", &crops) &&
      srv_plan_number(job, "alpha", &c->alpha) && srv_plan_number(job, "beta", &c->beta) &&
      srv_plan_number(job, "image_scale", &c->image_scale) &&
      srv_plan_number(job, "text_scale", &c->text_scale) &&
      srv_plan_number(job, "draws", &draws) && srv_plan_number(job, "redraws", &redraws) &&
      srv_plan_number(job, "seed", &seed) && srv_plan_flag(job, "dedup", &c->dedup) &&
      srv_plan_number(job, "dedup_iou", &c->dedup_iou) &&
      srv_plan_number(job, "dedup_cosine", &c->dedup_cosine);
  if (crops > 0) c->crops = (uint64_t)crops;
  c->draws = (uint32_t)draws;
  c->redraws = (uint32_t)redraws;
  c->seed = (uint64_t)(int64_t)seed;
  return ok;
}

void srv_choice_free(srv_choice *choice) {
  for (size_t i = 0; i < sizeof choice->own / sizeof choice->own[0]; i++) free(choice->own[i]);
}
