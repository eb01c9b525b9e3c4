/* api_ask.c - single questions to a scene or to several of one model: caption, describe, and
 * any number of them as a batch; and how a question is taken from its caller. */
#include "ask_job.h"
#include "questions.h"

#include <stdlib.h>

/* ---- what is asked ---- */

gm_status gm_asked_make(gm_asked *out, gm_scene *scene, const char *text,
                        const gm_ask_params *p, gm_error *err) {
  *out = (gm_asked){
      .scene = scene,
      .max_tokens = p->max_tokens == GM_NONE ? 0 : p->max_tokens,
      .sampling = {.temperature = p->temperature,
                   .top_k = p->top_k,
                   .top_p = p->top_p,
                   .seed = p->seed},
  };
  const gm_prompt *prompt = scene->model->groma->prompt;
  bool grounding = !p->no_grounding && (p->grounding || p->n_boxes == 0);
  out->n_boxes = p->n_boxes;
  if (p->verbatim)
    GM_TRY(gm_question_verbatim(&out->question, prompt, text, p->n_boxes, err));
  else
    GM_TRY(gm_question_typed(&out->question, prompt, text, grounding, p->n_boxes, err));
  return gm_scene_boxes_to_rel(scene, p->boxes, p->n_boxes, &out->boxes, err);
}

void gm_asked_free(gm_asked *asked) {
  gm_question_free(&asked->question);
  gm_given_ids_free(&asked->given);
  free(asked->boxes);
}

/* ---- together ---- */

static gm_status answer(const gm_asked *asked, size_t n, const gm_callbacks *callbacks,
                        gm_answer **answers, gm_error *err) {
  gm_ask_job *job = malloc(sizeof *job);
  if (!job) return gm_fail_memory(err, "the questions", sizeof *job);
  gm_ask_job_init(job, asked, n, answers);
  job->job.callbacks = callbacks;
  gm_status status = gm_job_do(asked[0].scene->model->base.engine, &job->job, err);
  free(job);
  return status;
}

/* Of scenes[n], or all of scenes[0] where each is false. params[n] and callbacks have been
 * read. */
static gm_status ask(gm_scene *const *scenes, bool each, const char *const *questions,
                     const gm_ask_params *params, size_t n, const gm_callbacks *callbacks,
                     gm_answer **answers, gm_error *err) {
  gm_asked *asked = calloc(n, sizeof *asked);
  if (!asked) return gm_fail_memory(err, "the questions", n * sizeof *asked);
  gm_status status = GM_OK;
  for (size_t i = 0; i < n; i++) answers[i] = NULL;
  for (size_t i = 0; i < n && status == GM_OK; i++) {
    gm_scene *scene = scenes[each ? i : 0];
    status = gm_asked_make(&asked[i], scene, questions[i], &params[i], err);
    if (status != GM_OK && n > 1) gm_fail_prefix(err, status, "question %zu", i + 1);
  }
  if (status == GM_OK) status = answer(asked, n, callbacks, answers, err);
  for (size_t i = 0; i < n; i++) gm_asked_free(&asked[i]);
  free(asked);
  return status;
}

gm_status gm_ask(gm_scene *scene, const char *const *questions, const gm_ask_params *params,
                 size_t n, const gm_callbacks *callbacks, gm_answer **answers, gm_error *err) {
  for (size_t i = 0; i < n; i++) answers[i] = NULL;
  if (n == 0) return gm_fail(err, GM_ERR_ARGUMENT, "found no question, wanted some");
  gm_callbacks calls;
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  gm_ask_params *own = calloc(n, sizeof *own);
  if (!own) return gm_fail_memory(err, "the questions", n * sizeof *own);
  gm_status status = GM_STRUCTS_READ(gm_ask_params, own, params, n, err);
  if (status == GM_OK) status = ask(&scene, false, questions, own, n, &calls, answers, err);
  free(own);
  return status;
}

/* ---- set questions ---- */

const char *gm_describe_question(bool long_form) {
  return long_form ? "Please describe {1} in details." : "What is {1}?";
}

gm_status gm_caption_params(gm_ask_params *params, gm_error *err) {
  params->verbatim = false;
  if (params->n_boxes == 0) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "found %zu boxes for a caption, which is of the whole picture; describe or "
                 "chat take boxes",
                 params->n_boxes);
}

void gm_describe_params(gm_ask_params *params, const gm_box *box) {
  params->boxes = box;
  params->n_boxes = 1;
  params->grounding = false;
  params->verbatim = false;
}

gm_status gm_captions(gm_scene *const *scenes, size_t n, const gm_ask_params *params,
                      const gm_callbacks *callbacks, gm_answer **answers, gm_error *err) {
  gm_ask_params own;
  gm_callbacks calls;
  for (size_t i = 0; i < n; i++) answers[i] = NULL;
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  if (n == 0) return gm_fail(err, GM_ERR_ARGUMENT, "found no scene to caption, wanted some");
  GM_TRY(gm_caption_params(&own, err));
  for (size_t i = 1; i < n; i++)
    if (scenes[i]->model != scenes[0]->model)
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "scene %zu: found one of another model than the first's, wanted one model",
                     i + 1);
  gm_ask_params *each = calloc(n, sizeof *each);
  const char **questions = calloc(n, sizeof *questions);
  gm_status status =
      each && questions ? GM_OK : gm_fail_memory(err, "the questions", n * sizeof *each);
  for (size_t i = 0; i < n && status == GM_OK; i++) {
    each[i] = own;
    questions[i] = GM_CAPTION_QUESTION;
  }
  if (status == GM_OK) status = ask(scenes, true, questions, each, n, &calls, answers, err);
  free(each);
  free(questions);
  return status;
}

gm_status gm_caption(gm_scene *scene, const gm_ask_params *params,
                     const gm_callbacks *callbacks, gm_answer **out, gm_error *err) {
  return gm_captions(&scene, 1, params, callbacks, out, err);
}

static gm_status describe(gm_scene *scene, const gm_box *boxes, size_t n, const char *question,
                          const gm_ask_params *params, const gm_callbacks *callbacks,
                          gm_answer **answers, gm_error *err) {
  gm_ask_params *each = calloc(n, sizeof *each);
  const char **questions = calloc(n, sizeof *questions);
  gm_status status =
      each && questions ? GM_OK : gm_fail_memory(err, "the questions", n * sizeof *each);
  for (size_t i = 0; i < n && status == GM_OK; i++) {
    questions[i] = question;
    each[i] = *params;
    gm_describe_params(&each[i], &boxes[i]);
  }
  if (status == GM_OK) status = ask(&scene, false, questions, each, n, callbacks, answers, err);
  free(each);
  free(questions);
  return status;
}

gm_status gm_describe(gm_scene *scene, const gm_box *boxes, size_t n, bool long_form,
                      const gm_ask_params *params, const gm_callbacks *callbacks,
                      gm_answer **answers, gm_error *err) {
  gm_ask_params own;
  gm_callbacks calls;
  gm_rel_box *rel; /* made here once more, for a message that counts the boxes */
  for (size_t i = 0; i < n; i++) answers[i] = NULL;
  if (n == 0) return gm_fail(err, GM_ERR_ARGUMENT, "found no box to describe, wanted some");
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  GM_TRY(gm_scene_boxes_to_rel(scene, boxes, n, &rel, err));
  free(rel);
  return describe(scene, boxes, n, gm_describe_question(long_form), &own, &calls, answers, err);
}
