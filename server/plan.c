/* plan.c - see plan.h. */
#include "plan.h"

#include "members.h"
#include "results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void srv_plan_free(void *user) {
  srv_plan *plan = user;
  srv_picture_give_back(&plan->server->pictures, plan->picture);
  if (plan->variant) srv_lora_give_back(plan->server, plan->variant);
  json_decref(plan->json);
  free(plan->texts);
  free(plan);
}

static bool no_uploads(srv_job *job, const srv_body *body) {
  if (body->n_uploads == 0) return true;
  srv_reply_error(job, 400, "bad_argument",
                  "found a file in the form; here a picture stands in a message, as image_url");
  return false;
}

static bool read_picture(srv_job *job, srv_plan *plan, const srv_body *body) {
  json_t *image = json_object_get(plan->json, "image");
  if (body->n_uploads > 1) {
    srv_reply_error(job, 400, "bad_argument", "found %zu files, wanted one picture",
                    body->n_uploads);
    return false;
  }
  if (body->n_uploads == 1 && image) {
    srv_reply_error(job, 400, "bad_argument",
                    "found a file and the member image, wanted one of them");
    return false;
  }
  if (body->n_uploads == 1) {
    char *copy = malloc(body->uploads[0].size + 1);
    if (copy) memcpy(copy, body->uploads[0].bytes, body->uploads[0].size);
    if (copy) return srv_plan_keep(job, plan, copy, body->uploads[0].size);
    srv_reply_error(job, 503, "out_of_memory", "no memory for the picture");
    return false;
  }
  if (json_is_string(image)) {
    bool ok = srv_plan_picture(job, plan, json_string_value(image));
    json_object_del(plan->json, "image"); /* its base64 is not to wait for a slot */
    return ok;
  }
  srv_reply_error(job, 400, "bad_argument",
                  image ? "image: wanted a string" : "found no picture, wanted \"image\"");
  return false;
}

/* ---- members ---- */

static srv_plan *plan_of(const srv_job *job) {
  return job->plan;
}

/* *out: the member, or NULL where it is not there or is null. */
static bool member(srv_job *job, const char *name, json_t **out) {
  char why[200];
  *out = json_object_get(plan_of(job)->json, name);
  if (!*out || srv_member_check(srv_member_named(name), *out, why, sizeof why)) {
    if (json_is_null(*out)) *out = NULL;
    return true;
  }
  srv_reply_error(job, 400, "bad_argument", "%s", why);
  return false;
}

bool srv_plan_number(srv_job *job, const char *name, double *out) {
  json_t *value;
  if (!member(job, name, &value)) return false;
  if (value) *out = json_number_value(value);
  return true;
}

bool srv_plan_flag(srv_job *job, const char *name, bool *out) {
  json_t *value;
  if (!member(job, name, &value)) return false;
  if (value) *out = json_is_true(value);
  return true;
}

bool srv_plan_text(srv_job *job, const char *name, const char **out) {
  json_t *value;
  if (!member(job, name, &value)) return false;
  if (value) *out = json_string_value(value);
  return true;
}

bool srv_plan_texts(srv_job *job, const char *name, bool wanted) {
  srv_plan *plan = plan_of(job);
  json_t *list;
  if (!member(job, name, &list)) return false;
  if (!list && wanted) {
    srv_reply_error(job, 400, "bad_argument",
                    "found no member %s, wanted a list of 1 to %d strings", name,
                    SRV_MAX_ITEMS);
    return false;
  }
  size_t n = json_is_array(list) ? json_array_size(list) : list != NULL;
  free(plan->texts);
  plan->texts = calloc(n + 1, sizeof *plan->texts);
  plan->n_texts = plan->texts ? n : 0;
  for (size_t i = 0; i < plan->n_texts; i++)
    plan->texts[i] = json_string_value(json_is_array(list) ? json_array_get(list, i) : list);
  if (!plan->texts) srv_reply_error(job, 503, "out_of_memory", "no memory for the request");
  return plan->texts != NULL;
}

static bool read_box(const json_t *list, double box[4]) {
  if (json_array_size(list) != 4) return false;
  for (size_t k = 0; k < 4; k++) {
    json_t *number = json_array_get(list, k);
    if (!json_is_number(number)) return false;
    box[k] = json_number_value(number);
  }
  return true;
}

bool srv_plan_boxes(srv_job *job, const char *name, uint32_t width, uint32_t height,
                    gm_box **out, size_t *n) {
  srv_plan *plan = plan_of(job);
  json_t *list;
  *out = NULL;
  *n = 0;
  if (!member(job, name, &list)) return false;
  bool single = json_is_number(json_array_get(list, 0));
  *n = single ? 1 : json_array_size(list);
  *out = calloc(*n + 1, sizeof **out);
  if (!*out) {
    srv_reply_error(job, 503, "out_of_memory", "no memory for %s", name);
    return false;
  }
  const char *format = out_box_format_name(plan->format);
  for (size_t i = 0; i < *n; i++) {
    double box[4];
    if (!read_box(single ? list : json_array_get(list, i), box)) {
      srv_reply_error(job, 400, "bad_argument", "%s: box %zu: wanted four numbers", name,
                      i + 1);
      return false;
    }
    if (out_box_looks_relative(plan->format, box)) {
      srv_reply_error(job, 400, "bad_argument",
                      "%s: box %zu: as %s it is within the first pixel; if these are shares of "
                      "the picture, give \"box_format\": \"xyxyn\" or \"cxcywhn\"",
                      name, i + 1, format);
      return false;
    }
    if (out_box_to_pixels(plan->format, box, width, height, &(*out)[i])) continue;
    srv_reply_error(job, 400, "bad_argument",
                    "%s: box %zu: as %s it covers nothing of this picture of %u x %u pixels",
                    name, i + 1, format, width, height);
    return false;
  }
  return true;
}

/* ---- the body ---- */

static bool read_format(srv_job *job, srv_plan *plan) {
  const char *format = NULL;
  return srv_plan_text(job, "box_format", &format) &&
         out_box_format_named(format, &plan->format);
}

/* What would be ignored is refused: a misspelt name else changes the answer in silence. */
static bool check_members(srv_job *job, const srv_plan *plan) {
  const char *name;
  json_t *value;
  char why[200];
  if (!job->work->members) return true;
  json_object_foreach(plan->json, name, value) {
    const char *const *at = job->work->members;
    while (*at && strcmp(*at, name) != 0) at++;
    if (*at && !srv_member_check(srv_member_named(name), value, why, sizeof why)) {
      srv_reply_error(job, 400, "bad_argument", "%s", why);
      return false;
    }
    if (*at) continue;
    char known[800] = "";
    for (at = job->work->members; *at; at++) {
      size_t n = strlen(known);
      snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", *at);
    }
    srv_reply_error(job, 400, "bad_argument",
                    "found the member '%.100s', which this address does not know; it takes %s",
                    name, known);
    return false;
  }
  return true;
}

bool srv_plan_is_clip(srv_job *job, const char *member) {
  const char *served = job->server->models.clip_name;
  json_t *name = json_object_get(plan_of(job)->json, member);
  if (!name || json_is_null(name)) return true;
  const char *value = json_string_value(name);
  if (value && strcmp(value, served) == 0) return true;
  srv_reply_error(
      job, 400, "model_not_found",
      "%s: found '%.100s', but '%s' names the classes here; leave the member out or give this "
      "name",
      member, value ? value : "no string", served);
  return false;
}

static bool read_model(srv_job *job, srv_plan *plan) {
  const srv_models *models = &job->server->models;
  json_t *name = json_object_get(plan->json, "model");
  if (job->work->by_clip) {
    job->model = models->clip_name;
    return srv_plan_is_clip(job, "model");
  }
  plan->model = name && !json_is_null(name) && !json_is_string(name)
                    ? SRV_MAX_MODELS
                    : srv_models_find(models, json_string_value(name));
  if (plan->model < SRV_MAX_MODELS) {
    job->model = models->names[plan->model];
    return true;
  }
  srv_reply_error(
      job, 400, "model_not_found",
      "model: found '%.100s', which is not served here; /v1/models lists the names, "
      "as %s",
      json_is_string(name) ? json_string_value(name) : "no string", models->names[0]);
  return false;
}

static bool read_scene(srv_job *job, srv_plan *plan) {
  double conf = -1, iou = -1, most = 0, tokens = 0, temperature = 0, top_p = 1, top_k = 0,
         seed = 0;
  bool ok = srv_plan_number(job, "conf", &conf) && srv_plan_number(job, "iou", &iou) &&
            srv_plan_number(job, "max_regions", &most) &&
            srv_plan_flag(job, "append_boxes", &plan->scene.append_boxes) &&
            srv_plan_flag(job, "raw", &plan->raw) &&
            srv_plan_number(job, "max_tokens", &tokens) &&
            srv_plan_number(job, "max_completion_tokens", &tokens) &&
            srv_plan_number(job, "temperature", &temperature) &&
            srv_plan_number(job, "top_p", &top_p) && srv_plan_number(job, "top_k", &top_k) &&
            srv_plan_number(job, "seed", &seed);
  bool same = true;
  ok = ok && srv_lora_read(job, json_object_get(plan->json, "lora"), plan->scales, &same);
  if (!ok) return false;
  plan->own_scales = !same;
  /* 0 is a threshold here, and the default for the library. */
  if (conf >= 0) plan->scene.box_score_thres = fmaxf((float)conf, 1e-9F);
  if (iou >= 0) plan->scene.nms_thres = fmaxf((float)iou, 1e-9F);
  plan->scene.max_regions = (uint32_t)most;
  plan->ask.max_tokens = (uint32_t)tokens;
  plan->ask.temperature = (float)temperature;
  plan->ask.top_p = (float)top_p;
  plan->ask.top_k = (uint32_t)top_k;
  plan->ask.seed = (uint64_t)(int64_t)seed;
  return true;
}

bool srv_plan_read(srv_job *job, bool wants_picture) {
  gm_error err = {0};
  srv_body body;
  srv_plan *plan = calloc(1, sizeof *plan);
  if (!plan) {
    srv_reply_error(job, 503, "out_of_memory", "no memory for the request");
    return false;
  }
  job->plan = plan;
  plan->server = job->server;
  plan->scene = gm_scene_params_default();
  plan->ask = gm_ask_params_default();
  if (srv_body_read(&body, job->body, job->body_size, job->content_type, &err) != GM_OK) {
    srv_reply_failure(job, &err);
    return false;
  }
  plan->json = body.json;
  return check_members(job, plan) && read_model(job, plan) && read_format(job, plan) &&
         read_scene(job, plan) &&
         (wants_picture ? read_picture(job, plan, &body) : no_uploads(job, &body));
}

/* ---- on the slot's thread ---- */

bool srv_plan_looks(const srv_job *job) {
  const srv_plan *plan = plan_of(job);
  return plan->variant ? plan->variant->with_clip : job->server->models.with_clip[plan->model];
}

gm_scene *srv_plan_scene(srv_job *job, const gm_image *image) {
  srv_plan *plan = plan_of(job);
  gm_error err = {0};
  gm_request *request;
  gm_scene *scene = NULL;
  gm_request_params params = gm_request_params_default();
  params.timeout = srv_job_time(job);
  if (plan->own_scales && !plan->variant)
    plan->variant = srv_lora_take(job, plan->model, plan->scales);
  if (plan->own_scales && !plan->variant) return NULL;
  gm_model *model =
      plan->variant ? plan->variant->model : job->server->models.models[plan->model];
  gm_status status = gm_request_scene(&request, model, image, &plan->scene, &params, &err);
  if (status == GM_OK) {
    srv_job_wait(job, request, NULL, NULL);
    status = gm_request_take_scene(request, &scene, &err);
    gm_request_free(request);
  }
  if (status != GM_OK) srv_reply_failure(job, &err);
  return scene;
}

out_frame srv_plan_frame(const srv_plan *plan, const gm_image *image) {
  return (out_frame){plan->format, gm_image_width(image), gm_image_height(image)};
}

json_t *srv_plan_object(const srv_job *job, const gm_image *image, const gm_scene *scene) {
  const srv_plan *plan = plan_of(job);
  const srv_models *models = &job->server->models;
  out_frame frame = srv_plan_frame(plan, image);
  json_t *object = out_json_picture(NULL, &frame);
  json_object_set_new(json_object_get(object, "image"), "id",
                      json_sprintf("sha256:%s", plan->picture->id));
  if (scene)
    out_json_add_scope(object, models->names[plan->model], models->scopes[plan->model],
                       gm_scene_unlikeness(scene));
  return object;
}
