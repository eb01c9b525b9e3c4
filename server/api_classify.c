/* api_classify.c - classify: which of the client's classes a picture shows, by CLIP. */
#include "api.h"
#include "plan.h"
#include "results.h"

#include <stdlib.h>

static bool prepare(srv_job *job) {
  if (!srv_plan_read(job, true) || !srv_plan_texts(job, "classes", true)) return false;
  const srv_plan *plan = job->plan;
  json_t *names = json_object();
  for (size_t i = 0; i < plan->n_texts; i++)
    json_object_set_new(names, plan->texts[i], json_true());
  bool differ = json_object_size(names) == plan->n_texts;
  json_decref(names);
  if (!differ)
    srv_reply_error(job, 400, "bad_argument", "classes: found a name twice, wanted each once");
  return differ;
}

static bool read_method(srv_job *job, gm_method *out) {
  const json_t *method = json_object_get(((srv_plan *)job->plan)->json, "method");
  *out = GM_METHOD_WCA;
  if (!method || (json_is_string(method) && gm_method_named(json_string_value(method), out)))
    if (*out == GM_METHOD_WCA || *out == GM_METHOD_WCA_RELEASED || *out == GM_METHOD_CLIP ||
        *out == GM_METHOD_WAFFLE)
      return true;
  srv_reply_error(job, 400, "bad_argument",
                  "method: wanted wca, wca-released, clip or waffle, which need names only");
  return false;
}

/* {name: [], ...}: each class has its label prompt only, as in the program. */
static char *empty_descriptions(const srv_plan *plan) {
  json_t *root = json_object();
  for (size_t i = 0; i < plan->n_texts; i++)
    json_object_set_new(root, plan->texts[i], json_array());
  char *text = json_dumps(root, JSON_COMPACT);
  json_decref(root);
  return text;
}

static void classify(srv_job *job, const gm_image *image, gm_method method, size_t top,
                     uint64_t seed) {
  const srv_plan *plan = job->plan;
  const srv_models *models = &job->server->models;
  gm_error err = {0};
  gm_classes *classes = NULL;
  gm_view *view = NULL;
  gm_classification *found = NULL;
  gm_callbacks callbacks = srv_job_callbacks(job);
  gm_classes_params params = gm_classes_params_default();
  gm_view_params look = gm_view_params_default(method);
  gm_classify_params how = gm_classify_params_default();
  char *descriptions = empty_descriptions(plan);
  params.method = method;
  params.names = plan->texts;
  params.n_names = plan->n_texts;
  if (method == GM_METHOD_WCA || method == GM_METHOD_WCA_RELEASED)
    params.descriptions = descriptions;
  params.seed = look.seed = how.seed = seed;
  gm_status status = gm_classes_create(&classes, models->clip, &params, &callbacks, &err);
  if (status == GM_OK) status = gm_view_create(&view, models->clip, image, &look, &err);
  if (status == GM_OK) status = gm_classify(view, classes, &how, &callbacks, &found, &err);
  if (status == GM_OK) {
    json_t *results = json_array(), *object = srv_plan_object(job, image, NULL);
    for (size_t i = 0; i < found->n_labels && (top == 0 || i < top); i++) {
      const gm_label label = out_label(found, i);
      json_array_append_new(results, out_json_label(&label));
    }
    out_json_add_scope(object, models->clip_name, models->clip_scope, 0);
    json_object_set_new(object, "results", results);
    if (found->n_crops)
      json_object_set_new(object, "n_crops", json_integer((json_int_t)found->n_crops));
    srv_reply_json(job, 200, object);
  } else {
    srv_reply_failure(job, &err);
  }
  gm_classification_free(found);
  gm_view_free(view);
  gm_classes_free(classes);
  free(descriptions);
}

static void run(srv_job *job) {
  gm_method method;
  double top = 5, seed = 0;
  if (!read_method(job, &method) || !srv_plan_count(job, "top", 0, 1e6, &top) ||
      !srv_plan_count(job, "seed", 0, 9e15, &seed))
    return;
  gm_image *image = srv_plan_decode(job);
  if (image) classify(job, image, method, (size_t)top, (uint64_t)seed);
  srv_plan_give_back(job, image);
}

static const char *const members[] = {"image", "model", "classes", "method",
                                      "top",   "seed",  NULL};

const srv_work srv_classify = {"classify", prepare, run, srv_plan_free, members, true};
