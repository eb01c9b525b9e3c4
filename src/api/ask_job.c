/* ask_job.c - see ask_job.h. */
#include "ask_job.h"

#include "pipeline.h"

#include <stdlib.h>

/* For what the first question about a picture computes and keeps. */
static gm_status make_room(gm_scene *scene, gm_error *err) {
  const gm_encoding *encoding = scene->encoding;
  gm_engine *engine = scene->model->base.engine;
  if (engine->memory == UINT64_MAX || gm_encoding_ready(encoding)) return GM_OK;
  size_t positions = gm_encoding_positions(encoding, &encoding->base);
  uint64_t maps = encoding->fused ? 0 : gm_vision_maps_bytes(encoding->groma->vision);
  return gm_scenes_make_room(engine, maps + gm_kv_bytes(&encoding->prefix.shape, positions),
                             err);
}

gm_status gm_prepare_talks(gm_job *job, gm_compute *c, const gm_asked *asked,
                           gm_talk *const *talks, size_t n) {
  gm_status status = GM_OK;
  for (size_t i = 0, end; i < n && status == GM_OK; i = end) {
    gm_watch *watch = &asked[i].scene->watch;
    for (end = i + 1; end < n && talks[end]->encoding == talks[i]->encoding;) end++;
    watch->callbacks = &job->inner;
    status = make_room(asked[i].scene, c->err);
    if (status == GM_OK) status = gm_pipeline_prepare(c, talks + i, end - i);
    gm_scene_count_bytes(asked[i].scene);
    gm_watch_end(watch, status == GM_OK);
    watch->callbacks = NULL;
  }
  return status;
}

/* Begins the batch's talks. index has room for all its boxes, one question's after the other's.
 */
static gm_status begin_talks(gm_ask_job *a, size_t *index, gm_error *err) {
  for (; a->n_talks < a->some; a->n_talks++) {
    const gm_asked *asked = &a->asked[a->at + a->n_talks];
    gm_talk *talk = &a->talks[a->n_talks];
    GM_TRY(
        gm_talk_begin(talk, asked->scene->encoding, asked->boxes, asked->n_boxes, index, err));
    index += asked->n_boxes;
  }
  return GM_OK;
}

static gm_status ask_questions(gm_ask_job *a, const size_t *index, gm_error *err) {
  const gm_listener listener = {.user = &a->job,
                                .text = a->job.inner.text,
                                .progress = a->job.inner.progress,
                                .phrase = a->phrase};
  for (; a->n_answering < a->some; a->n_answering++) {
    size_t i = a->n_answering;
    const gm_asked *asked = &a->asked[a->at + i];
    GM_TRY(gm_talk_ask(&a->talks[i], &asked->question, index, err));
    index += asked->n_boxes;
    gm_status status = gm_answering_begin(&a->answering[i], asked, &a->talks[i],
                                          a->n == 1 ? &listener : NULL, 0, err);
    if (status != GM_OK) {
      gm_answering_free(&a->answering[i]);
      return status;
    }
  }
  return GM_OK;
}

static gm_status prepare(gm_ask_job *a, gm_compute *c, size_t *index) {
  gm_talk *talks[GM_ASK_BATCH];
  for (size_t i = 0; i < a->some; i++) talks[i] = &a->talks[i];
  GM_TRY(begin_talks(a, index, c->err));
  for (size_t i = 0; i < a->some; i++) a->ready[i] = gm_encoding_ready(talks[i]->encoding);
  GM_TRY(gm_prepare_talks(&a->job, c, a->asked + a->at, talks, a->some));
  return ask_questions(a, index, c->err);
}

static gm_status run(gm_job *job, gm_compute *c) {
  gm_ask_job *a = (gm_ask_job *)job;
  size_t boxes = 0;
  a->some = a->n - a->at < GM_ASK_BATCH ? a->n - a->at : GM_ASK_BATCH;
  for (size_t i = 0; i < a->some; i++) boxes += a->asked[a->at + i].n_boxes;
  size_t *index = calloc(boxes + 1, sizeof *index);
  if (!index) return gm_fail_memory(c->err, "the boxes", boxes * sizeof *index);
  gm_status status = prepare(a, c, index);
  free(index);
  GM_TRY(status);
  for (size_t i = 0; i < a->some; i++) {
    a->voices[i] = (gm_voice){.talk = &a->talks[i],
                              .next = gm_answering_next,
                              .user = &a->answering[i],
                              .ready = a->ready[i] ? SIZE_MAX : 0};
    gm_job_speak(job, &a->voices[i]);
  }
  return GM_OK;
}

/* A full context cuts the answers that it meets, not the batches after them. */
static gm_status finish_answers(gm_ask_job *a, gm_error *err, gm_status status) {
  for (size_t i = 0; i < a->n_answering; i++) {
    GM_TRY(gm_answering_finish(&a->answering[i], &a->answers[a->at + i], err));
    if (a->voices[i].status != GM_ERR_CONTEXT_FULL) continue;
    a->full = true;
    if (status == GM_OK) (void)gm_answering_full(&a->answering[i], err);
  }
  return status;
}

static void free_batch(gm_ask_job *a) {
  for (size_t i = 0; i < a->n_answering; i++) gm_answering_free(&a->answering[i]);
  for (size_t i = 0; i < a->n_talks; i++) gm_talk_free(&a->talks[i]);
  a->n_answering = a->n_talks = 0;
}

static void drop_answers(gm_ask_job *a) {
  for (size_t i = 0; i < a->n; i++) {
    gm_answer_free(a->answers[i]);
    a->answers[i] = NULL;
  }
}

bool gm_keeps_answers(gm_status status) {
  return status == GM_OK || status == GM_ERR_CONTEXT_FULL || status == GM_ERR_CANCELLED ||
         status == GM_ERR_TIMEOUT;
}

static gm_status collect(gm_job *job, gm_error *err, gm_status status, bool *more) {
  gm_ask_job *a = (gm_ask_job *)job;
  if (status == GM_ERR_CONTEXT_FULL && a->n_answering > 0) status = GM_OK;
  if (gm_keeps_answers(status)) status = finish_answers(a, err, status);
  free_batch(a);
  a->at += a->some;
  *more = status == GM_OK && a->at < a->n;
  if (status == GM_OK && !*more && a->full) status = GM_ERR_CONTEXT_FULL;
  if (!gm_keeps_answers(status)) drop_answers(a);
  return status;
}

static bool ready(const gm_job *job) {
  const gm_ask_job *a = (const gm_ask_job *)job;
  for (size_t i = a->at; i < a->n && i < a->at + GM_ASK_BATCH; i++)
    if (a->asked[i].n_boxes > 0 || !gm_encoding_ready(a->asked[i].scene->encoding))
      return false;
  return true;
}

void gm_ask_job_init(gm_ask_job *job, const gm_asked *asked, size_t n, gm_answer **answers) {
  const gm_model *model = asked[0].scene->model;
  *job = (gm_ask_job){.asked = asked, .n = n, .answers = answers};
  job->job.kernels = model->base.kernels;
  job->job.run = run;
  job->job.collect = collect;
  job->job.ready = ready;
  for (size_t i = 0; i < n; i++) answers[i] = NULL;
}
