/* api_classify.c - classify: which of the client's classes a picture shows, by CLIP. */
#include "api.h"
#include "choice.h"
#include "results.h"

static bool prepare(srv_job *job) {
  return srv_plan_read(job, true) && srv_choice_names(job);
}

static void classify(srv_job *job, const gm_image *image, const out_class_choice *choice,
                     size_t top) {
  const srv_models *models = &job->server->models;
  gm_error err = {0};
  gm_classes *classes = NULL;
  gm_view *view = NULL;
  gm_classification *found = NULL;
  gm_callbacks callbacks = srv_job_callbacks(job);
  gm_view_params look;
  gm_classify_params how = out_choice_scoring(choice);
  gm_status status = out_choice_view(choice, false, &look, &err);
  if (status == GM_OK)
    status = out_choice_classes(choice, models->clip, &callbacks, &classes, &err);
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
}

static bool read_stop(srv_job *job, out_class_choice *choice) {
  if (!srv_plan_number(job, "stop", &choice->stop)) return false;
  if (!(choice->stop > 0) || choice->method == GM_METHOD_WCA) return true;
  srv_reply_error(job, 400, "bad_argument", "stop is for method wca, not for %s",
                  gm_method_name(choice->method));
  return false;
}

static void run(srv_job *job) {
  srv_choice choice;
  double top = 5;
  bool ok = srv_choice_read(job, &choice) && read_stop(job, &choice.choice) &&
            srv_plan_number(job, "top", &top);
  gm_image *image = ok ? srv_plan_decode(job) : NULL;
  if (image) classify(job, image, &choice.choice, (size_t)top);
  if (ok) srv_plan_give_back(job, image);
  srv_choice_free(&choice);
}

static const char *const members[] = {"image", "model", "top", "stop", SRV_CHOICE_MEMBERS,
                                      NULL};

const srv_work srv_classify = {"classify", prepare, run, srv_plan_free, members, true};
