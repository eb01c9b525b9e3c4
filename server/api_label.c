/* api_label.c - label: the regions of a picture, each with the best of the client's classes. */
#include "api.h"
#include "choice.h"
#include "naming.h"
#include "results.h"

#include <stdlib.h>

/* The most regions have the option's name here, and detect's. */
static bool read_most(srv_job *job) {
  srv_plan *plan = job->plan;
  double most = 0;
  if (json_object_get(plan->json, "max_det") && json_object_get(plan->json, "max_regions")) {
    srv_reply_error(job, 400, "bad_argument",
                    "max_det and max_regions are the same here; give one of them");
    return false;
  }
  if (!srv_plan_number(job, "max_det", &most)) return false;
  if (most > 0) plan->scene.max_regions = (uint32_t)most;
  return true;
}

static bool prepare(srv_job *job) {
  return srv_plan_read(job, true) && srv_plan_is_clip(job, "clip_model") &&
         srv_choice_names(job) && read_most(job);
}

/* Candidates of the client instead of the model's. *boxes for free(), used by the scene's
 * making. */
static bool read_regions(srv_job *job, const gm_image *image, gm_box **boxes) {
  srv_plan *plan = job->plan;
  size_t n = 0;
  if (!json_object_get(plan->json, "regions")) return true;
  if (!srv_plan_boxes(job, "regions", gm_image_width(image), gm_image_height(image), boxes, &n))
    return false;
  if (n == 0) srv_reply_error(job, 400, "bad_argument", "regions: wanted at least one box");
  plan->scene.regions = *boxes;
  plan->scene.n_regions = n;
  return n > 0;
}

/* What the threshold leaves out although a scene that was there already has it. */
static bool is_weak(const srv_plan *plan, const gm_region *region) {
  return !plan->scene.regions && region->score <= plan->scene.box_score_thres;
}

static json_t *named(srv_job *job, const out_naming *naming, const gm_image *image,
                     const gm_region *regions, const out_named *best, size_t n) {
  const srv_plan *plan = job->plan;
  out_frame frame = srv_plan_frame(plan, image);
  bool *left_out = calloc(n + 1, sizeof *left_out);
  for (size_t i = 0; left_out && i < n; i++) left_out[i] = is_weak(plan, &regions[i]);
  json_t *list =
      left_out && out_naming_merge(naming, regions, best, n, left_out) ? json_array() : NULL;
  for (size_t i = 0; list && i < n; i++)
    if (!left_out[i])
      json_array_append_new(list, out_json_named_region(&frame, &regions[i], &best[i]));
  free(left_out);
  return list;
}

static void label(srv_job *job, const out_naming *naming, const gm_image *image,
                  const gm_scene *scene) {
  size_t n;
  gm_error err = {0};
  out_named *best = NULL;
  gm_callbacks callbacks = srv_job_callbacks(job);
  gm_region *regions = out_scene_regions(scene, &n);
  gm_status status = regions
                         ? out_name_regions(naming, image, regions, n, &callbacks, &best, &err)
                         : (err.status = GM_ERR_MEMORY);
  json_t *list = status == GM_OK ? named(job, naming, image, regions, best, n) : NULL;
  if (status == GM_OK && !list) err.status = GM_ERR_MEMORY;
  free(best);
  free(regions);
  if (!list) {
    srv_reply_failure(job, &err);
    return;
  }
  json_t *object = srv_plan_object(job, image, scene);
  json_object_set_new(object, "regions", list);
  srv_reply_json(job, 200, object);
}

/* The classes come first: what is wrong with them is cheap to find. */
static void run_with(srv_job *job, const out_class_choice *choice, double none,
                     out_naming *naming) {
  gm_error err = {0};
  gm_callbacks callbacks = srv_job_callbacks(job);
  gm_box *boxes = NULL;
  naming->clip = job->server->models.clip;
  naming->scoring = out_choice_scoring(choice);
  naming->scoring.top = 1;
  if (out_choice_view(choice, true, &naming->view, &err) != GM_OK ||
      out_choice_classes(choice, naming->clip, &callbacks, &naming->classes, &err) != GM_OK) {
    srv_reply_failure(job, &err);
    return;
  }
  if (none >= -1 && !out_naming_set_none(naming, (float)none)) {
    err.status = GM_ERR_MEMORY;
    srv_reply_failure(job, &err);
    return;
  }
  naming->view.cache = true;
  gm_image *image = srv_plan_decode(job);
  gm_scene *scene =
      image && read_regions(job, image, &boxes) ? srv_plan_scene(job, image) : NULL;
  if (scene) label(job, naming, image, scene);
  gm_scene_free(scene);
  srv_plan_give_back(job, image);
  free(boxes);
}

static void run(srv_job *job) {
  srv_choice choice;
  double none = -2; /* not said: the head decides */
  out_naming naming = {.merge_iou = OUT_MERGE_IOU};
  if (srv_choice_read(job, &choice) && srv_plan_number(job, "none", &none) &&
      srv_plan_number(job, "merge_iou", &naming.merge_iou)) {
    run_with(job, &choice.choice, none, &naming);
  }
  free(naming.limits);
  gm_classes_free(naming.classes);
  srv_choice_free(&choice);
}

static const char *const members[] = {
    "image",      "model", "conf",       "iou",  "max_regions", "max_det",          "regions",
    "box_format", "lora",  "clip_model", "none", "merge_iou",   SRV_CHOICE_MEMBERS, NULL};

const srv_work srv_label = {"label", prepare, run, srv_plan_free, members, false};
