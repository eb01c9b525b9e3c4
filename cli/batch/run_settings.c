/* run_settings.c - see run_settings.h. */
#include "run_settings.h"

#include <stdlib.h>
#include <string.h>

static const char max_pixels[] = "--max-pixels"; /* the one limit */

static json_t *strings_json(const cli_list *list) {
  json_t *array = json_array();
  for (size_t i = 0; list && i < list->n; i++)
    json_array_append_new(array, cli_json_text(list->items[i]));
  return array;
}

static json_t *boxes_json(const double (*boxes)[4], size_t n) {
  json_t *array = json_array();
  for (size_t i = 0; i < n; i++)
    json_array_append_new(
        array, json_pack("[f,f,f,f]", boxes[i][0], boxes[i][1], boxes[i][2], boxes[i][3]));
  return array;
}

/* < 0: not given. */
static json_t *share_json(double value) {
  return value < 0 ? json_null() : json_real(value);
}

static json_t *count_json(uint64_t value) {
  return json_integer((json_int_t)value);
}

static void add_scene(json_t *all, const cli_args *a, const double (*regions)[4], size_t n) {
  json_object_set_new(all, "--conf", share_json(a->conf));
  json_object_set_new(all, "--iou", share_json(a->iou));
  json_object_set_new(all, "--max-det", count_json(a->max_det));
  json_object_set_new(all, "--regions", a->regions_file ? boxes_json(regions, n) : json_null());
  json_object_set_new(all, "--append-boxes", json_boolean(a->append_boxes));
  json_object_set_new(all, "--shuffle", count_json(a->shuffle_seed));
  json_object_set_new(all, "--ctx-size", count_json(a->context));
  json_object_set_new(all, "--cache-type-k", cli_json_text(a->cache_type_k));
  json_object_set_new(all, "--cache-type-v", cli_json_text(a->cache_type_v));
  json_object_set_new(all, "--fast", json_boolean(a->fast));
}

static void add_questions(json_t *all, const cli_job *job) {
  const cli_args *a = job->args;
  json_object_set_new(all, "--box", strings_json(&a->boxes));
  json_object_set_new(all, "-p", strings_json(&a->prompts));
  json_object_set_new(all, "the phrases", strings_json(job->phrases));
  json_object_set_new(all, "--long", json_boolean(a->long_form));
  json_object_set_new(all, "--all", json_boolean(a->all));
  json_object_set_new(all, "--grounding", json_boolean(a->grounding));
  json_object_set_new(all, "--no-grounding", json_boolean(a->no_grounding));
  json_object_set_new(all, "--verbatim", json_boolean(a->verbatim));
  json_object_set_new(all, "--min-score", json_real(a->min_score));
  json_object_set_new(all, "--temp", json_real(a->temperature));
  json_object_set_new(all, "--top-p", json_real(a->top_p));
  json_object_set_new(all, "--top-k", count_json(a->top_k));
  json_object_set_new(all, "--seed", count_json(a->seed));
  json_object_set_new(all, "-n", count_json(a->max_tokens));
  json_object_set_new(all, "--raw", json_boolean(a->raw));
}

json_t *cli_run_settings(const cli_job *job, const cli_run_models *models) {
  json_t *all = json_object();
  if (!all) return NULL;
  json_object_set_new(all, "the command", json_string(job->command));
  json_object_set_new(all, "gromatic", json_string(gm_version()));
  json_object_set_new(all, "the model's SHA-256", json_string(models->hash));
  json_object_set_new(all, "CLIP's SHA-256", json_string(models->clip_hash));
  json_object_set_new(all, "the instruction set (GROMATIC_CPU)", json_string(models->kernels));
  json_object_set_new(all, max_pixels, count_json(job->args->max_pixels));
  json_object_set_new(all, "--box-format", json_string(cli_box_format_name(job->format)));
  add_scene(all, job->args, models->regions, models->n_regions);
  add_questions(all, job);
  if (job->settings) json_object_update(all, job->settings);
  return all;
}

/* ---- comparing ---- */

/* A value as a person reads it. */
enum { LONGEST = 80 };

static void put_value(FILE *out, const json_t *value) {
  char *text = json_is_null(value) || !value
                   ? NULL
                   : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
  fprintf(out, text ? "%.*s%s" : "not given", LONGEST, text ? text : "",
          text && strlen(text) > LONGEST ? "..." : "");
  free(text);
}

/* Of two lists that are too long to be shown whole, the number of the first place where they
 * differ, from 1; else 0. */
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

char *cli_settings_difference(json_t *before, json_t *now, bool *limits) {
  char *text = NULL;
  size_t size;
  const char *name;
  json_t *value;
  bool first = true;
  *limits = false;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  *limits = true;
  json_object_foreach(now, name, value) {
    const json_t *earlier = json_object_get(before, name);
    if (json_equal(earlier, value)) continue;
    *limits = *limits && strcmp(name, max_pixels) == 0;
    first = put_difference(out, first, name, earlier, value);
  }
  json_object_foreach(before, name, value) {
    if (json_object_get(now, name)) continue;
    *limits = false;
    first = put_difference(out, first, name, value, NULL);
  }
  fclose(out);
  return text;
}
