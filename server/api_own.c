/* api_own.c - detect, ground and describe: the program's commands over HTTP. */
#include "api.h"
#include "plan.h"
#include "results.h"

#include <stdlib.h>

static bool prepare_detect(srv_job *job) {
  return srv_plan_read(job, true);
}

static bool prepare_ground(srv_job *job) {
  return srv_plan_read(job, true) && srv_plan_texts(job, "phrases", true);
}

/* ---- detect ---- */

static void detect(srv_job *job, const gm_image *image, gm_scene *scene) {
  const srv_plan *plan = job->plan;
  size_t n;
  gm_region *regions = out_scene_regions(scene, &n);
  out_frame frame = srv_plan_frame(plan, image);
  json_t *list = json_array(), *object = srv_plan_object(job, image, scene);
  for (size_t i = 0; regions && i < n; i++)
    if (regions[i].score > plan->scene.box_score_thres)
      json_array_append_new(list, out_json_region(&frame, &regions[i]));
  free(regions);
  json_object_set_new(object, "regions", list);
  srv_reply_json(job, 200, object);
}

/* ---- ground ---- */

/* A model whose head was fitted together with a CLIP looks with it, as the program does. */
static void look_with_clip(const srv_job *job, const gm_image *image, gm_ground_params *out) {
  const srv_models *models = &job->server->models;
  if (!srv_plan_looks(job)) return;
  out->clip = models->clip;
  out->image = image;
}

static void ground(srv_job *job, const gm_image *image, gm_scene *scene) {
  const srv_plan *plan = job->plan;
  gm_ground_params params = gm_ground_params_default();
  double most = 0, least = 0, present = 0.5;
  if (!srv_plan_flag(job, "all", &params.all) || !srv_plan_number(job, "max_det", &most) ||
      !srv_plan_number(job, "min_score", &least) ||
      !srv_plan_number(job, "min_present", &present))
    return;
  params.max_det = most > 0 ? (uint32_t)most : params.all ? 0 : 1;
  params.min_score = (float)least;
  params.min_present = present > 0 ? (float)present : -1;
  look_with_clip(job, image, &params);
  gm_error err = {0};
  gm_request *request;
  gm_request_params how = gm_request_params_default();
  how.timeout = srv_job_time(job);
  size_t n = plan->n_texts;
  gm_ground_result **found = calloc(n, sizeof *found);
  gm_status status =
      found ? gm_request_ground(&request, scene, plan->texts, n, &params, &how, &err)
            : (err.status = GM_ERR_MEMORY);
  if (status == GM_OK) {
    srv_job_wait(job, request, NULL, NULL);
    status = gm_request_take_ground_results(request, found, n, &err);
    gm_request_free(request);
  }
  if (status == GM_OK) {
    out_frame frame = srv_plan_frame(plan, image);
    json_t *results = json_array(), *object = srv_plan_object(job, image, scene);
    for (size_t i = 0; i < n; i++)
      json_array_append_new(results, out_json_phrase(&frame, plan->texts[i], found[i]));
    json_object_set_new(object, "results", results);
    srv_reply_json(job, 200, object);
  } else {
    srv_reply_failure(job, &err);
  }
  for (size_t i = 0; found && i < n; i++) gm_ground_result_free(found[i]);
  free(found);
}

/* ---- describe ---- */

static json_t *describe_one(srv_job *job, gm_scene *scene, const out_frame *frame, gm_box box,
                            bool long_form) {
  const srv_plan *plan = job->plan;
  gm_error err = {0};
  gm_request *request;
  gm_answer *answer = NULL;
  gm_request_params how = gm_request_params_default();
  how.timeout = srv_job_time(job);
  gm_status status =
      gm_request_describe(&request, scene, &box, long_form, &plan->ask, &how, &err);
  if (status == GM_OK) {
    srv_job_wait(job, request, NULL, NULL);
    status = gm_request_take_answer(request, &answer, &err);
    gm_request_free(request);
  }
  json_t *one = NULL;
  if (status == GM_OK || (status == GM_ERR_CONTEXT_FULL && answer))
    one = out_json_description(frame, box, answer, plan->raw);
  else
    srv_reply_failure(job, &err);
  gm_answer_free(answer);
  return one;
}

static void describe(srv_job *job, const gm_image *image, gm_scene *scene) {
  const srv_plan *plan = job->plan;
  gm_box *boxes = NULL;
  size_t n;
  bool long_form = false;
  out_frame frame = srv_plan_frame(plan, image);
  bool ok = srv_plan_flag(job, "long", &long_form) &&
            srv_plan_boxes(job, "boxes", frame.width, frame.height, &boxes, &n);
  if (ok && n == 0) {
    srv_reply_error(job, 400, "bad_argument", "boxes: wanted at least one box");
    ok = false;
  }
  if (!ok) {
    free(boxes);
    return;
  }
  json_t *results = json_array();
  for (size_t i = 0; ok && i < n; i++) {
    json_t *one = describe_one(job, scene, &frame, boxes[i], long_form);
    ok = one != NULL;
    if (ok) json_array_append_new(results, one);
  }
  free(boxes);
  if (!ok) {
    json_decref(results);
    return;
  }
  json_t *object = srv_plan_object(job, image, scene);
  json_object_set_new(object, "results", results);
  srv_reply_json(job, 200, object);
}

/* ---- detection ---- */

static bool prepare_detection(srv_job *job) {
  if (!srv_plan_read(job, true) || !srv_plan_texts(job, "prompt", false)) return false;
  if (((const srv_plan *)job->plan)->n_texts <= 1) return true;
  srv_reply_error(job, 400, "bad_argument", "prompt: wanted one string");
  return false;
}

static void detection(srv_job *job, const gm_image *image, gm_scene *scene) {
  const srv_plan *plan = job->plan;
  double least = 0;
  if (!srv_plan_number(job, "threshold", &least)) return;
  size_t n = 0;
  gm_region *regions = NULL;
  gm_ground_result *found = NULL;
  gm_error err = {0};
  const char *name = plan->n_texts ? plan->texts[0] : "object";
  gm_callbacks callbacks = srv_job_callbacks(job);
  gm_ground_params params = gm_ground_params_default();
  params.all = true;
  look_with_clip(job, image, &params);
  if (plan->n_texts == 0) {
    regions = out_scene_regions(scene, &n);
  } else if (gm_ground(scene, plan->texts, 1, &params, &callbacks, &found, &err) == GM_OK) {
    n = found->n_regions;
    regions = calloc(n + 1, sizeof *regions);
    for (size_t i = 0; regions && i < n; i++) regions[i] = out_ground_region(found, i);
  } else {
    srv_reply_failure(job, &err);
    return;
  }
  json_t *list = json_array();
  for (size_t i = 0; regions && i < n; i++) {
    gm_box b = regions[i].box;
    if ((double)regions[i].score < least) continue;
    json_array_append_new(
        list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:s}", "x", out_json_number((double)b.x1),
                        "y", out_json_number((double)b.y1), "width",
                        out_json_number((double)(b.x2 - b.x1)), "height",
                        out_json_number((double)(b.y2 - b.y1)), "confidence",
                        out_json_number((double)regions[i].score), "class_name", name));
  }
  free(regions);
  gm_ground_result_free(found);
  srv_reply_json(job, 200, json_pack("{s:o}", "detections", list));
}

/* ---- the steps that they share ---- */

static void run(srv_job *job, void (*answer)(srv_job *, const gm_image *, gm_scene *)) {
  gm_image *image = srv_plan_decode(job);
  gm_scene *scene = image ? srv_plan_scene(job, image) : NULL;
  if (scene) answer(job, image, scene);
  gm_scene_free(scene);
  srv_plan_give_back(job, image);
}

static void run_detect(srv_job *job) {
  run(job, detect);
}
static void run_ground(srv_job *job) {
  run(job, ground);
}
static void run_describe(srv_job *job) {
  run(job, describe);
}
static void run_detection(srv_job *job) {
  run(job, detection);
}

#define SCENE_MEMBERS "image", "model", "conf", "iou", "max_regions", "box_format", "lora"
static const char *const detect_members[] = {SCENE_MEMBERS, NULL};
static const char *const ground_members[] = {SCENE_MEMBERS, "phrases",     "all", "max_det",
                                             "min_score",   "min_present", NULL};
static const char *const detection_members[] = {"image", "model", "prompt",      "threshold",
                                                "conf",  "iou",   "max_regions", NULL};
static const char *const describe_members[] = {
    SCENE_MEMBERS,           "boxes",       "long",  "raw",   "append_boxes", "max_tokens",
    "max_completion_tokens", "temperature", "top_p", "top_k", "seed",         NULL};

const srv_work srv_detect = {"detect",      prepare_detect, run_detect,
                             srv_plan_free, detect_members, false};
const srv_work srv_ground = {"ground",      prepare_ground, run_ground,
                             srv_plan_free, ground_members, false};
const srv_work srv_describe = {"describe",    prepare_detect,   run_describe,
                               srv_plan_free, describe_members, false};
const srv_work srv_detection = {"detection",   prepare_detection, run_detection,
                                srv_plan_free, detection_members, false};
