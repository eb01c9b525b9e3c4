/* request_tasks.c - what a gm_request can be about, and how its results are taken. */
#include "request.h"

#include "image.h"
#include "questions.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>

/* A request that could not be submitted is freed. One that was may be gone, with *out. */
static gm_status begun(gm_request **out, gm_status status) {
  if (status == GM_OK) return GM_OK;
  gm_request_free(*out);
  *out = NULL;
  return status;
}

/* ---- answers ---- */

/* Keeps the scene and its model alive. */
static void set_scene(gm_request *r, gm_scene *scene) {
  r->scene = gm_scene_hold(scene);
  r->model = gm_model_hold(scene->model);
}

static gm_status submit_question(gm_request *r, gm_scene *scene, const char *question,
                                 const gm_ask_params *ask, gm_error *err) {
  r->kind = REQUEST_ANSWER;
  set_scene(r, scene);
  GM_TRY(gm_asked_make(&r->asked, scene, question, ask, err));
  r->ask = malloc(sizeof *r->ask);
  if (!r->ask) return gm_fail_memory(err, "the request", sizeof *r->ask);
  gm_ask_job_init(r->ask, &r->asked, 1, &r->answer);
  r->ask->phrase = gm_request_on_phrase;
  return gm_request_submit(r, scene->model->base.engine, &r->ask->job, err);
}

gm_status gm_request_ask(gm_request **out, gm_scene *scene, const char *question,
                         const gm_ask_params *ask, const gm_request_params *params,
                         gm_error *err) {
  *out = NULL;
  gm_ask_params own;
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, ask, err));
  GM_TRY(gm_request_new(out, params, err));
  return begun(out, submit_question(*out, scene, question, &own, err));
}

gm_status gm_request_caption(gm_request **out, gm_scene *scene, const gm_ask_params *ask,
                             const gm_request_params *params, gm_error *err) {
  *out = NULL;
  gm_ask_params own;
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, ask, err));
  GM_TRY(gm_caption_params(&own, err));
  GM_TRY(gm_request_new(out, params, err));
  return begun(out, submit_question(*out, scene, GM_CAPTION_QUESTION, &own, err));
}

gm_status gm_request_describe(gm_request **out, gm_scene *scene, const gm_box *box,
                              bool long_form, const gm_ask_params *ask,
                              const gm_request_params *params, gm_error *err) {
  *out = NULL;
  gm_ask_params own;
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, ask, err));
  gm_describe_params(&own, box);
  GM_TRY(gm_request_new(out, params, err));
  return begun(out, submit_question(*out, scene, gm_describe_question(long_form), &own, err));
}

static gm_status submit_turn(gm_request *r, gm_chat *chat, const char *question,
                             const gm_ask_params *ask, const gm_given *given, gm_error *err) {
  r->kind = REQUEST_ANSWER;
  set_scene(r, gm_chat_scene(chat));
  GM_TRY(gm_asked_turn(&r->asked, chat, question, ask, given, err));
  r->turn = malloc(sizeof *r->turn);
  if (!r->turn) return gm_fail_memory(err, "the request", sizeof *r->turn);
  gm_turn_job_init(r->turn, chat, &r->asked, &r->answer);
  r->turn->phrase = gm_request_on_phrase;
  GM_TRY(gm_chat_begin(chat, err));
  gm_status status = gm_request_submit(r, r->scene->model->base.engine, &r->turn->job, err);
  if (status != GM_OK) gm_chat_end(chat);
  return status;
}

gm_status gm_request_chat(gm_request **out, gm_chat *chat, const char *question,
                          const gm_ask_params *ask, const gm_request_params *params,
                          gm_error *err) {
  *out = NULL;
  gm_ask_params own;
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, ask, err));
  GM_TRY(gm_request_new(out, params, err));
  return begun(out, submit_turn(*out, chat, question, &own, NULL, err));
}

gm_status gm_request_give(gm_request **out, gm_chat *chat, const char *question,
                          const gm_ask_params *ask, const gm_given *answer,
                          const gm_request_params *params, gm_error *err) {
  *out = NULL;
  gm_ask_params own;
  if (!answer) return gm_fail(err, GM_ERR_ARGUMENT, "found no answer, wanted one to give");
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, ask, err));
  GM_TRY(gm_request_new(out, params, err));
  return begun(out, submit_turn(*out, chat, question, &own, answer, err));
}

const gm_region_list *gm_request_list(const gm_request *r) {
  return r->turn ? &r->turn->voice.talk->list : &r->ask->talks[0].list;
}

/* ---- phrases ---- */

static gm_status submit_ground(gm_request *r, gm_scene *scene, const char *const *phrases,
                               size_t n, const gm_ground_params *ground, gm_error *err) {
  r->kind = REQUEST_GROUND;
  set_scene(r, scene);
  r->results = calloc(n + 1, sizeof *r->results);
  if (!r->results) return gm_fail_memory(err, "the phrases", n * sizeof *r->results);
  r->n = n;
  GM_TRY(gm_ground_job_new(&r->ground, scene, phrases, n, ground, r->results, err));
  return gm_request_submit(r, scene->model->base.engine, gm_ground_job_of(r->ground), err);
}

gm_status gm_request_ground(gm_request **out, gm_scene *scene, const char *const *phrases,
                            size_t n, const gm_ground_params *ground,
                            const gm_request_params *params, gm_error *err) {
  *out = NULL;
  gm_ground_params own;
  GM_TRY(GM_STRUCT_READ(gm_ground_params, &own, ground, err));
  GM_TRY(gm_request_new(out, params, err));
  return begun(out, submit_ground(*out, scene, phrases, n, &own, err));
}

/* ---- calls on the engine's thread ---- */

static gm_status run_call(gm_job *job, gm_compute *c) {
  const call_job *call = (const call_job *)job;
  return call->f(job->user, &job->inner, c->err);
}

static gm_status submit_call(gm_request *r, gm_engine *engine, const gm_kernels *kernels,
                             gm_status (*f)(gm_request *, const gm_callbacks *, gm_error *),
                             gm_error *err) {
  r->call = calloc(1, sizeof *r->call);
  if (!r->call) return gm_fail_memory(err, "the request", sizeof *r->call);
  r->call->f = f;
  r->call->job = (gm_job){.kernels = kernels, .run = run_call};
  return gm_request_submit(r, engine, &r->call->job, err);
}

/* Copies n boxes, and scores where there are some. */
static gm_status copy_boxes(gm_request *r, const gm_box *boxes, const float *scores, size_t n,
                            gm_error *err) {
  r->boxes = malloc((n + 1) * sizeof *r->boxes);
  r->scores = malloc((n + 1) * sizeof *r->scores);
  if (!r->boxes || !r->scores) return gm_fail_memory(err, "the boxes", n * sizeof *r->boxes);
  if (n > 0) memcpy(r->boxes, boxes, n * sizeof *boxes);
  if (n > 0 && scores) memcpy(r->scores, scores, n * sizeof *scores);
  return GM_OK;
}

static gm_status make_scene(gm_request *r, const gm_callbacks *inner, gm_error *err) {
  return gm_scene_create(&r->made, r->model, r->image, &r->scene_params, inner, err);
}

static gm_status submit_scene(gm_request *r, gm_model *model, const gm_image *image,
                              const gm_scene_params *scene, gm_error *err) {
  r->kind = REQUEST_SCENE;
  if (!image) return gm_fail(err, GM_ERR_ARGUMENT, "found no picture, wanted one");
  r->model = gm_model_hold(model);
  r->image = gm_image_share(image);
  r->scene_params = *scene;
  if (scene->regions) {
    GM_TRY(copy_boxes(r, scene->regions, scene->region_scores, scene->n_regions, err));
    r->scene_params.regions = r->boxes;
    if (scene->region_scores) r->scene_params.region_scores = r->scores;
  }
  return submit_call(r, model->base.engine, model->base.kernels, make_scene, err);
}

gm_status gm_request_scene(gm_request **out, gm_model *model, const gm_image *image,
                           const gm_scene_params *scene, const gm_request_params *params,
                           gm_error *err) {
  *out = NULL;
  gm_scene_params own;
  GM_TRY(GM_STRUCT_READ(gm_scene_params, &own, scene, err));
  GM_TRY(gm_request_new(out, params, err));
  return begun(out, submit_scene(*out, model, image, &own, err));
}

static gm_status room_for_classifications(gm_request *r, size_t n, gm_error *err) {
  r->kind = REQUEST_CLASSIFICATIONS;
  r->classifications = calloc(n + 1, sizeof *r->classifications);
  if (!r->classifications)
    return gm_fail_memory(err, "the request", n * sizeof *r->classifications);
  r->n = n;
  return GM_OK;
}

static gm_status classify(gm_request *r, const gm_callbacks *inner, gm_error *err) {
  return gm_classify(r->view, r->classes, &r->classify_params, inner, &r->classifications[0],
                     err);
}

gm_status gm_request_classify(gm_request **out, gm_view *view, const gm_classes *classes,
                              const gm_classify_params *params_of,
                              const gm_request_params *params, gm_error *err) {
  *out = NULL;
  gm_classify_params own;
  GM_TRY(GM_STRUCT_READ(gm_classify_params, &own, params_of, err));
  GM_TRY(gm_request_new(out, params, err));
  gm_request *r = *out;
  gm_status status = room_for_classifications(r, 1, err);
  r->view = view;
  r->classes = classes;
  r->classify_params = own;
  if (status == GM_OK)
    status = submit_call(r, view->clip->base.engine, view->clip->base.kernels, classify, err);
  return begun(out, status);
}

static gm_status copy_limits(gm_request *r, const float *limits, const gm_classes *classes,
                             gm_error *err) {
  size_t n = gm_classes_count(classes);
  r->limits = malloc(n * sizeof *r->limits);
  if (!r->limits) return gm_fail_memory(err, "the limits", n * sizeof *r->limits);
  memcpy(r->limits, limits, n * sizeof *limits);
  return GM_OK;
}

static gm_status label(gm_request *r, const gm_callbacks *inner, gm_error *err) {
  return gm_label_regions(r->clip, r->image, r->boxes, r->n, r->classes, &r->view_params,
                          &r->classify_params, inner, r->classifications, err);
}

gm_status gm_request_label(gm_request **out, gm_clip *clip, const gm_image *image,
                           const gm_box *regions, size_t n, const gm_classes *classes,
                           const gm_view_params *view, const gm_classify_params *params_of,
                           const gm_request_params *params, gm_error *err) {
  *out = NULL;
  gm_view_params own_view;
  gm_classify_params own;
  GM_TRY(GM_STRUCT_READ(gm_view_params, &own_view, view, err));
  GM_TRY(GM_STRUCT_READ(gm_classify_params, &own, params_of, err));
  if (!image) return gm_fail(err, GM_ERR_ARGUMENT, "found no picture, wanted one");
  GM_TRY(gm_request_new(out, params, err));
  gm_request *r = *out;
  gm_status status = room_for_classifications(r, n, err);
  if (status == GM_OK) status = copy_boxes(r, regions, own.region_scores, n, err);
  if (status == GM_OK && own.limits) status = copy_limits(r, own.limits, classes, err);
  r->clip = clip;
  r->image = gm_image_share(image);
  r->classes = classes;
  r->view_params = own_view;
  r->view_params.part = NULL;
  r->view_params.boxes = NULL;
  r->view_params.n_boxes = 0;
  r->classify_params = own;
  r->classify_params.region_scores = own.region_scores ? r->scores : NULL;
  r->classify_params.limits = r->limits;
  if (status == GM_OK)
    status = submit_call(r, clip->base.engine, clip->base.kernels, label, err);
  return begun(out, status);
}

/* ---- results ---- */

/* Whether results of that kind can be taken now. */
static gm_status can_take(gm_request *r, request_kind kind, gm_error *err) {
  if (!gm_request_wait(r, 0))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found a request that is not done; wait for it (gm_request_wait) first");
  if (r->kind != kind)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found a request whose results are of another kind than those asked for");
  if (r->taken)
    return gm_fail(err, GM_ERR_ARGUMENT, "the results of this request were taken before");
  return GM_OK;
}

/* The request's own outcome. */
static gm_status outcome(gm_request *r, gm_error *err) {
  r->taken = true;
  if (r->job->status != GM_OK && err) *err = r->job->error;
  return r->job->status;
}

gm_status gm_request_take_scene(gm_request *request, gm_scene **out, gm_error *err) {
  *out = NULL;
  GM_TRY(can_take(request, REQUEST_SCENE, err));
  *out = request->made;
  request->made = NULL;
  return outcome(request, err);
}

gm_status gm_request_take_answer(gm_request *request, gm_answer **out, gm_error *err) {
  *out = NULL;
  GM_TRY(can_take(request, REQUEST_ANSWER, err));
  *out = request->answer;
  request->answer = NULL;
  return outcome(request, err);
}

static gm_status check_count(const gm_request *r, size_t n, gm_error *err) {
  if (n == r->n) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "found room for %zu results, wanted it for %zu", n,
                 r->n);
}

gm_status gm_request_take_ground_results(gm_request *request, gm_ground_result **results,
                                         size_t n, gm_error *err) {
  memset(results, 0, n * sizeof *results);
  GM_TRY(can_take(request, REQUEST_GROUND, err));
  GM_TRY(check_count(request, n, err));
  memcpy(results, request->results, n * sizeof *results);
  memset(request->results, 0, n * sizeof *results);
  return outcome(request, err);
}

gm_status gm_request_take_classifications(gm_request *request, gm_classification **results,
                                          size_t n, gm_error *err) {
  memset(results, 0, n * sizeof *results);
  GM_TRY(can_take(request, REQUEST_CLASSIFICATIONS, err));
  GM_TRY(check_count(request, n, err));
  memcpy(results, request->classifications, n * sizeof *results);
  memset(request->classifications, 0, n * sizeof *results);
  return outcome(request, err);
}

gm_status gm_request_usage(const gm_request *request, gm_usage *out) {
  const gm_job *job = request->job;
  gm_usage usage = {.prompt = atomic_load(&job->prompt),
                    .cached = atomic_load(&job->cached),
                    .generated = atomic_load(&job->generated)};
  return GM_STRUCT_WRITE(gm_usage, out, &usage, NULL);
}

void gm_request_free_task(gm_request *r) {
  gm_asked_free(&r->asked);
  free(r->ask);
  free(r->turn);
  gm_ground_job_free(r->ground);
  free(r->call);
  gm_image_free(r->image);
  free(r->boxes);
  free(r->limits);
  free(r->scores);
  gm_scene_free(r->made);
  gm_answer_free(r->answer);
  for (size_t i = 0; i < r->n && r->results; i++) gm_ground_result_free(r->results[i]);
  for (size_t i = 0; i < r->n && r->classifications; i++)
    gm_classification_free(r->classifications[i]);
  free(r->results);
  free(r->classifications);
  gm_scene_free(r->scene);
  gm_model_free(r->model);
}
