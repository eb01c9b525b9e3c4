/* api_ask.c - single questions to a scene or to several of one model: caption, describe, and
 * any number of them as a batch; and how a question is taken from its caller. */
#include "answers.h"

#include <stdlib.h>

static const char CAPTION[] = "Give me a concise description of the image.";
static const char DESCRIBE_BRIEFLY[] = "What is {1}?";
static const char DESCRIBE_AT_LENGTH[] = "Please describe {1} in details.";

/* Questions at once: one with boxes has a cache of its own after the image. */
enum { BATCH = 16 };

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
  free(asked->boxes);
}

/* ---- batches ---- */

/* Begins talk i for asked[i], of all of them; *begun counts those that are to be freed. index
 * has room for all boxes, one question's behind the other's. */
static gm_status begin_talks(gm_talk *talks, const gm_asked *asked, size_t n, size_t *index,
                             size_t *begun, gm_error *err) {
  for (*begun = 0; *begun < n; ++*begun) {
    const gm_asked *a = &asked[*begun];
    GM_TRY(gm_talk_begin(&talks[*begun], a->scene->picture, a->boxes, a->n_boxes, index, err));
    index += a->n_boxes;
  }
  return GM_OK;
}

/* Each picture's part of the cache, one picture after another. */
static gm_status prepare_talks(gm_compute *c, gm_talk *const *talks, size_t n) {
  for (size_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && talks[end]->picture == talks[i]->picture;) end++;
    GM_TRY(gm_talks_prepare(c, talks + i, end - i));
    gm_watch_end(talks[i]->picture->watch, true); /* the next one's time is not its */
  }
  return GM_OK;
}

/* Questions [n] as one batch, n <= BATCH, each a talk of its own. callbacks: for the
 * text where it is the only question of the call, else NULL. */
static gm_status ask_batch(gm_compute *c, const gm_asked *asked, size_t n,
                           const gm_callbacks *callbacks, gm_answer **answers) {
  gm_talk talks[BATCH], *each[BATCH];
  size_t begun = 0, n_boxes = 0;
  for (size_t i = 0; i < n; i++) {
    each[i] = &talks[i];
    n_boxes += asked[i].n_boxes;
  }
  size_t *index = calloc(n_boxes + 1, sizeof *index);
  if (!index) return gm_fail_memory(c->err, "the boxes", n_boxes * sizeof *index);
  gm_status status = begin_talks(talks, asked, n, index, &begun, c->err);
  if (status == GM_OK) status = prepare_talks(c, each, n);
  size_t first = 0;
  for (size_t i = 0; i < n && status == GM_OK; first += asked[i++].n_boxes)
    status = gm_talk_ask(each[i], &asked[i].question, index + first, c->err);
  if (status == GM_OK) status = gm_answer_talks(c, each, n, asked, callbacks, 0, answers);
  for (size_t i = 0; i < begun; i++) gm_talk_free(&talks[i]);
  free(index);
  return status;
}

/* A full context cuts the answers it meets and not the batches behind. */
static gm_status ask_all(const gm_asked *asked, size_t n, const gm_callbacks *callbacks,
                         gm_answer **answers, gm_error *err) {
  gm_status status = GM_OK, cut = GM_OK;
  gm_compute *c = gm_scene_enter(asked[0].scene, callbacks, err);
  for (size_t i = 1; i < n; i++) asked[i].scene->watch.callbacks = callbacks;
  for (size_t i = 0; i < n && status == GM_OK; i += BATCH) {
    size_t some = n - i < BATCH ? n - i : BATCH;
    status = ask_batch(c, asked + i, some, n == 1 ? callbacks : NULL, answers + i);
    if (status != GM_ERR_CONTEXT_FULL) continue;
    cut = status;
    status = GM_OK;
  }
  if (status == GM_OK) status = cut;
  for (size_t i = 1; i < n; i++) {
    gm_watch_end(&asked[i].scene->watch, status == GM_OK);
    asked[i].scene->watch.callbacks = NULL;
  }
  return gm_scene_leave(asked[0].scene, status);
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
  if (status == GM_OK) status = ask_all(asked, n, callbacks, answers, err);
  bool keeps = status == GM_OK || status == GM_ERR_CONTEXT_FULL || status == GM_ERR_CANCELLED;
  for (size_t i = 0; i < n; i++) {
    gm_asked_free(&asked[i]);
    if (keeps) continue;
    gm_answer_free(answers[i]);
    answers[i] = NULL;
  }
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

gm_status gm_captions(gm_scene *const *scenes, size_t n, const gm_ask_params *params,
                      const gm_callbacks *callbacks, gm_answer **answers, gm_error *err) {
  gm_ask_params own;
  gm_callbacks calls;
  for (size_t i = 0; i < n; i++) answers[i] = NULL;
  GM_TRY(GM_STRUCT_READ(gm_ask_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  if (n == 0) return gm_fail(err, GM_ERR_ARGUMENT, "found no scene to caption, wanted some");
  if (own.n_boxes > 0)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu boxes for a caption, which is of the whole picture; describe or "
                   "chat take boxes",
                   own.n_boxes);
  for (size_t i = 1; i < n; i++)
    if (scenes[i]->model != scenes[0]->model)
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "scene %zu: found one of another model than the first's, wanted one model",
                     i + 1);
  own.verbatim = false;
  gm_ask_params *each = calloc(n, sizeof *each);
  const char **questions = calloc(n, sizeof *questions);
  gm_status status =
      each && questions ? GM_OK : gm_fail_memory(err, "the questions", n * sizeof *each);
  for (size_t i = 0; i < n && status == GM_OK; i++) {
    each[i] = own;
    questions[i] = CAPTION;
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
    each[i].boxes = &boxes[i];
    each[i].n_boxes = 1;
    each[i].grounding = false;
    each[i].verbatim = false;
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
  return describe(scene, boxes, n, long_form ? DESCRIBE_AT_LENGTH : DESCRIBE_BRIEFLY, &own,
                  &calls, answers, err);
}
