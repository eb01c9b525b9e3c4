/* label_studio_answers.c - see label_studio_answers.h. */
#include "label_studio_answers.h"

#include "box_overlap.h"
#include "class_choice.h"
#include "label_studio.h"
#include "results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A drawn box is moved to a region that it overlaps by at least so much. */
#define SAME_THING 0.5

bool srv_ls_ask(srv_job *job, const srv_ls_control *control, srv_ls_asked *out) {
  gm_error err = {0};
  out_class_choice choice = out_class_choice_default();
  gm_callbacks callbacks = srv_job_callbacks(job);
  *out = (srv_ls_asked){.control = control};
  if (control->n_classes == 0) return true;
  choice.names = (const char *const *)control->classes;
  choice.n_names = control->n_classes;
  out_naming *naming = &out->naming;
  naming->clip = job->server->models.clip;
  naming->merge_iou = OUT_MERGE_IOU;
  naming->scoring = out->scoring = out_choice_scoring(&choice);
  naming->scoring.top = 1;
  if (out_choice_view(&choice, true, &naming->view, &err) == GM_OK &&
      out_choice_view(&choice, false, &out->view, &err) == GM_OK &&
      out_choice_classes(&choice, naming->clip, &callbacks, &naming->classes, &err) == GM_OK) {
    naming->view.cache = true;
    return true;
  }
  srv_reply_failure(job, &err);
  return false;
}

void srv_ls_asked_free(srv_ls_asked *asked) {
  gm_classes_free(asked->naming.classes);
  free(asked->naming.limits);
}

/* ---- results ---- */

static const char *const types[] = {"rectanglelabels", "choices", "taxonomy", "textarea"};

/* Letters that no other result has: they are told apart by them, also by later requests. */
static void make_id(const srv_ls_picture *p, char id[12]) {
  char text[96], sum[SRV_ID];
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int n = snprintf(text, sizeof text, "%s %lld.%ld %zu", p->job->id, (long long)now.tv_sec,
                   now.tv_nsec, json_array_size(p->results));
  gm_sha256(text, (size_t)n, sum);
  snprintf(id, 12, "%.11s", sum);
}

/* Takes value; score below 0: none. False after an answer. */
static bool add_result(srv_ls_picture *p, const srv_ls_control *c, const char *id,
                       json_t *value, double score) {
  json_t *result =
      json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:o}", "id", id, "type", types[c->kind],
                "from_name", c->name, "to_name", c->to_name, "original_width",
                (json_int_t)gm_image_width(p->image), "original_height",
                (json_int_t)gm_image_height(p->image), "image_rotation", 0, "value", value);
  if (score >= 0) json_object_set_new(result, "score", out_json_number(score));
  if (result && json_array_append_new(p->results, result) == 0) return true;
  srv_reply_error(p->job, 503, "out_of_memory", "no memory for the results");
  return false;
}

/* {"x", ..., kind: labels}; takes labels. */
static json_t *box_value(const srv_ls_picture *p, gm_box b, srv_ls_kind kind, json_t *labels) {
  json_t *value = out_label_studio_value((double)b.x1, (double)b.y1, (double)b.x2, (double)b.y2,
                                         (double)gm_image_width(p->image),
                                         (double)gm_image_height(p->image));
  json_object_set_new(value, kind == SRV_LS_TEXT ? "text" : types[kind], labels);
  return value;
}

static json_t *label_of(const srv_ls_control *c, size_t class_index) {
  return json_array_get(c->labels, c->label_of[class_index]);
}

static bool need_scene(srv_ls_picture *p) {
  if (!p->scene) p->scene = srv_plan_scene(p->job, p->image);
  return p->scene != NULL;
}

/* ---- boxes ---- */

/* As label has them: no names below the limit, of boxes of one label the best. */
static bool add_boxes(srv_ls_picture *p, const srv_ls_asked *asked, const gm_region *regions,
                      const out_named *best, size_t n) {
  const srv_ls_control *c = asked->control;
  const srv_plan *plan = p->job->plan;
  bool *left_out = calloc(n + 1, sizeof *left_out), ok = left_out != NULL;
  for (size_t i = 0; ok && i < n; i++)
    left_out[i] = regions[i].score <= plan->scene.box_score_thres;
  ok = ok && out_naming_merge(&asked->naming, regions, best, n, left_out);
  if (!ok) srv_reply_error(p->job, 503, "out_of_memory", "no memory for the boxes");
  for (size_t i = 0; ok && i < n; i++) {
    double score = out_naming_score(&regions[i], &best[i].best);
    char id[12];
    if (left_out[i] || best[i].none || score < c->threshold) continue;
    make_id(p, id);
    json_t *labels = json_pack("[O]", label_of(c, best[i].best.class_index));
    ok = add_result(p, c, id, box_value(p, regions[i].box, c->kind, labels), score);
  }
  free(left_out);
  return ok;
}

static bool answer_boxes(srv_ls_picture *p, const srv_ls_asked *asked) {
  size_t n;
  gm_error err = {0};
  out_named *best = NULL;
  gm_callbacks callbacks = srv_job_callbacks(p->job);
  if (!need_scene(p)) return false;
  gm_region *regions = out_scene_regions(p->scene, &n);
  gm_status status =
      regions ? out_name_regions(&asked->naming, p->image, regions, n, &callbacks, &best, &err)
              : (err.status = GM_ERR_MEMORY);
  if (status != GM_OK) srv_reply_failure(p->job, &err);
  bool ok = status == GM_OK && add_boxes(p, asked, regions, best, n);
  free(best);
  free(regions);
  return ok;
}

/* ---- choices ---- */

/* The labels' probabilities, each the sum of its classes': the best label, or where several may
 * be chosen all that reach the threshold. */
static bool add_choices(srv_ls_picture *p, const srv_ls_control *c,
                        const gm_classification *found, const char *id, const gm_box *box) {
  size_t n = json_array_size(c->labels), best = 0;
  double *scores = calloc(n + 1, sizeof *scores), top = 0;
  json_t *chosen = json_array();
  bool ok = scores && chosen;
  for (size_t i = 0; ok && i < found->n_labels; i++) {
    gm_label label = out_label(found, i);
    scores[c->label_of[label.class_index]] += (double)label.score;
  }
  for (size_t i = 0; ok && i < n; i++)
    if (scores[i] > scores[best]) best = i;
  for (size_t i = 0; ok && i < n; i++) {
    bool wanted = c->several && c->threshold >= 0 ? scores[i] >= c->threshold
                                                  : i == best && scores[i] >= c->threshold;
    if (!wanted) continue;
    ok = json_array_append(chosen, json_array_get(c->labels, i)) == 0;
    if (scores[i] > top) top = scores[i];
  }
  free(scores);
  if (!ok) srv_reply_error(p->job, 503, "out_of_memory", "no memory for the choices");
  if (ok && json_array_size(chosen) > 0)
    return add_result(p, c, id,
                      box ? box_value(p, *box, c->kind, chosen)
                          : json_pack("{s:o}", types[c->kind], chosen),
                      top);
  json_decref(chosen);
  return ok;
}

static bool answer_choices(srv_ls_picture *p, const srv_ls_asked *asked) {
  gm_error err = {0};
  gm_view *view = NULL;
  gm_classification *found = NULL;
  gm_callbacks callbacks = srv_job_callbacks(p->job);
  char id[12];
  gm_status status = gm_view_create(&view, asked->naming.clip, p->image, &asked->view, &err);
  if (status == GM_OK)
    status =
        gm_classify(view, asked->naming.classes, &asked->scoring, &callbacks, &found, &err);
  if (status != GM_OK) srv_reply_failure(p->job, &err);
  make_id(p, id);
  bool ok = status == GM_OK && add_choices(p, asked->control, found, id, NULL);
  gm_classification_free(found);
  gm_view_free(view);
  return ok;
}

static bool choices_of_box(srv_ls_picture *p, const srv_ls_asked *asked, gm_box box,
                           const char *id) {
  gm_error err = {0};
  gm_classification *found = NULL;
  gm_callbacks callbacks = srv_job_callbacks(p->job);
  gm_status status =
      gm_label_regions(asked->naming.clip, p->image, &box, 1, asked->naming.classes,
                       &asked->naming.view, &asked->scoring, &callbacks, &found, &err);
  if (status != GM_OK) srv_reply_failure(p->job, &err);
  bool ok = status == GM_OK && add_choices(p, asked->control, found, id, &box);
  gm_classification_free(found);
  return ok;
}

/* ---- words ---- */

/* A caption, or of a box a description. */
static bool answer_text(srv_ls_picture *p, const srv_ls_control *c, const gm_box *box,
                        const char *id) {
  const srv_plan *plan = p->job->plan;
  gm_error err = {0};
  gm_request *request;
  gm_answer *answer = NULL;
  gm_request_params how = gm_request_params_default();
  how.timeout = srv_job_time(p->job);
  if (!need_scene(p)) return false;
  gm_status status =
      box ? gm_request_describe(&request, p->scene, box, false, &plan->ask, &how, &err)
          : gm_request_caption(&request, p->scene, &plan->ask, &how, &err);
  if (status == GM_OK) {
    srv_job_wait(p->job, request, NULL, NULL);
    status = gm_request_take_answer(request, &answer, &err);
    gm_request_free(request);
  }
  bool ok = false;
  if (status == GM_OK || (status == GM_ERR_CONTEXT_FULL && answer)) {
    json_t *texts = json_pack("[o]", out_json_text(answer->text));
    ok = add_result(
        p, c, id, box ? box_value(p, *box, c->kind, texts) : json_pack("{s:o}", "text", texts),
        -1);
  } else {
    srv_reply_failure(p->job, &err);
  }
  gm_answer_free(answer);
  return ok;
}

bool srv_ls_answer(srv_ls_picture *p, const srv_ls_asked *asked) {
  char id[12];
  if (asked->control->per_region) return true;
  switch (asked->control->kind) {
  case SRV_LS_BOXES:
    return answer_boxes(p, asked);
  case SRV_LS_TEXT:
    make_id(p, id);
    return answer_text(p, asked->control, NULL, id);
  default:
    return answer_choices(p, asked);
  }
}

/* ---- drawn boxes ---- */

static bool refuse_drawn(srv_ls_picture *p, const char *what) {
  srv_reply_error(p->job, 400, "bad_argument", "params.context.result: %s", what);
  return false;
}

bool srv_ls_read_drawn(srv_ls_picture *p, json_t *result, srv_ls_drawn *out, bool *wanted) {
  static const char *const names[] = {"x", "y", "width", "height"};
  json_t *value = json_object_get(result, "value");
  const char *type = json_string_value(json_object_get(result, "type"));
  double shares[4], w = (double)gm_image_width(p->image), h = (double)gm_image_height(p->image);
  json_t *mark = json_object_get(result, "is_positive"); /* true, or 1 */
  *wanted = !json_is_false(mark) && !(json_is_integer(mark) && json_integer_value(mark) == 0);
  if (!type || (strcmp(type, "rectanglelabels") != 0 && strcmp(type, "rectangle") != 0))
    return refuse_drawn(p, "wanted boxes (type rectanglelabels)");
  out->from_name = json_string_value(json_object_get(result, "from_name"));
  out->labels = json_object_get(value, "rectanglelabels");
  if (!json_is_array(out->labels) || json_array_size(out->labels) == 0) out->labels = NULL;
  for (size_t i = 0; i < 4; i++) {
    json_t *number = json_object_get(value, names[i]);
    shares[i] = json_number_value(number);
    if (!json_is_number(number))
      return refuse_drawn(p,
                          "wanted the numbers x, y, width and height in the value of each box");
  }
  if (json_number_value(json_object_get(value, "rotation")) != 0)
    return refuse_drawn(p, "found a turned box, wanted upright ones");
  double box[4] = {shares[0] * w / 100, shares[1] * h / 100, (shares[0] + shares[2]) * w / 100,
                   (shares[1] + shares[3]) * h / 100};
  return out_box_to_pixels(BOX_XYXY, box, gm_image_width(p->image), gm_image_height(p->image),
                           &out->box) ||
         refuse_drawn(p, "found a box that covers nothing of the picture");
}

/* The region that a drawn box is meant for; NULL: there is none so near. */
static const gm_region *nearest(const gm_region *regions, size_t n, gm_box box) {
  const gm_region *best = NULL;
  double most = SAME_THING;
  for (size_t i = 0; i < n; i++) {
    double iou = out_box_iou(regions[i].box, box);
    if (iou < most) continue;
    most = iou;
    best = &regions[i];
  }
  return best;
}

/* The user's label, else CLIP's. Takes nothing; NULL after an answer. */
static json_t *label_drawn(srv_ls_picture *p, const srv_ls_drawn *drawn,
                           const srv_ls_asked *asked, const gm_region *region, double *score) {
  gm_error err = {0};
  out_named *best = NULL;
  gm_callbacks callbacks = srv_job_callbacks(p->job);
  *score = -1;
  if (drawn->labels) return json_incref(drawn->labels);
  if (out_name_regions(&asked->naming, p->image, region, 1, &callbacks, &best, &err) != GM_OK) {
    srv_reply_failure(p->job, &err);
    return NULL;
  }
  json_t *labels = json_pack("[O]", label_of(asked->control, best->best.class_index));
  *score = out_naming_score(region, &best->best);
  free(best);
  return labels;
}

static const srv_ls_asked *boxes_named(const srv_ls_asked *asked, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++)
    if (asked[i].control->kind == SRV_LS_BOXES &&
        (!name || strcmp(asked[i].control->name, name) == 0))
      return &asked[i];
  return NULL;
}

bool srv_ls_answer_drawn(srv_ls_picture *p, const srv_ls_drawn *drawn,
                         const srv_ls_asked *asked, size_t n) {
  const srv_ls_asked *boxes = boxes_named(asked, n, drawn->from_name);
  if (!boxes) return refuse_drawn(p, "found a from_name that is no <RectangleLabels> here");
  size_t n_regions;
  if (!need_scene(p)) return false;
  gm_region *regions = out_scene_regions(p->scene, &n_regions);
  if (!regions) {
    srv_reply_error(p->job, 503, "out_of_memory", "no memory for the regions");
    return false;
  }
  const gm_region *near = nearest(regions, n_regions, drawn->box);
  gm_region region = {.struct_size = sizeof region, .box = drawn->box, .score = 1};
  if (near) region = *near;
  free(regions);
  char id[12];
  double score;
  make_id(p, id);
  json_t *labels = label_drawn(p, drawn, boxes, &region, &score);
  bool ok = labels && add_result(p, boxes->control, id,
                                 box_value(p, region.box, SRV_LS_BOXES, labels), score);
  for (size_t i = 0; ok && i < n; i++) {
    const srv_ls_control *c = asked[i].control;
    if (!c->per_region || c->kind == SRV_LS_BOXES ||
        strcmp(c->to_name, boxes->control->to_name) != 0)
      continue;
    ok = c->kind == SRV_LS_TEXT ? answer_text(p, c, &region.box, id)
                                : choices_of_box(p, &asked[i], region.box, id);
  }
  return ok;
}

void srv_ls_picture_end(srv_ls_picture *p) {
  gm_scene_free(p->scene);
  p->scene = NULL;
}
