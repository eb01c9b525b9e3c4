/* test_engine_faults.c - what goes wrong in one job or thread of an engine, and what the others
 * see of it. */
#include "scene_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static gm_model *model;
static gm_scene *scene;

static int open_scene(void **state) {
  (void)state;
  model = test_model(GM_REFERENCE_MINI, NULL, NULL);
  scene = test_scene(model, "world/scenes/images/064.jpg", NULL);
  return 0;
}

static int close_scene(void **state) {
  (void)state;
  gm_scene_free(scene);
  gm_model_free(model);
  return 0;
}

static void pause_shortly(void) {
  const struct timespec t = {.tv_nsec = 2 * 1000 * 1000};
  nanosleep(&t, NULL);
}

/* ---- two voices of one job fail ---- */

enum { LONG, SHORT, VOICES };

/* LONG fills the context; SHORT, whose question has fewer tokens, then finds no memory. */
typedef struct failing_job {
  gm_job job;
  gm_talk talks[VOICES];
  gm_voice voices[VOICES];
  size_t context;
  gm_status told; /* to collect */
} failing_job;

static gm_status say_on(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                        gm_error *err) {
  (void)logits;
  failing_job *f = user;
  if (i == SHORT && gm_talk_positions(&f->talks[SHORT]) == f->context)
    return gm_fail(err, GM_ERR_MEMORY, "no memory for the test");
  *id = f->talks[i].encoding->groma->prompt->tail.ids[0];
  *more = true;
  return GM_OK;
}

static gm_status begin_talk(failing_job *f, gm_compute *c, size_t i, const char *text) {
  gm_question question = {0};
  gm_talk *talk = &f->talks[i];
  const gm_prompt *prompt = scene->model->groma->prompt;
  GM_TRY(gm_talk_begin(talk, scene->encoding, NULL, 0, NULL, c->err));
  GM_TRY(gm_pipeline_prepare(c, &talk, 1));
  GM_TRY(gm_question_typed(&question, prompt, text, false, 0, c->err));
  GM_TRY(gm_talk_ask(talk, &question, NULL, c->err));
  gm_question_free(&question);
  f->voices[i] = (gm_voice){.talk = talk, .next = say_on, .user = f, .index = i};
  return GM_OK;
}

static gm_status run_failing(gm_job *job, gm_compute *c) {
  failing_job *f = (failing_job *)job;
  GM_TRY(begin_talk(f, c, LONG, "What is on the left of the large red house?"));
  GM_TRY(begin_talk(f, c, SHORT, "What is it?"));
  for (size_t i = 0; i < VOICES; i++) gm_job_speak(job, &f->voices[i]);
  return GM_OK;
}

static gm_status collect_failing(gm_job *job, gm_error *err, gm_status status, bool *more) {
  (void)err;
  failing_job *f = (failing_job *)job;
  *more = false;
  f->told = status;
  for (size_t i = 0; i < VOICES; i++) gm_talk_free(&f->talks[i]);
  return status;
}

static void test_other_failures_count_before_a_full_context(void **state) {
  (void)state;
  gm_error err = {0};
  failing_job f = {
      .job = {.kernels = model->base.kernels, .run = run_failing, .collect = collect_failing},
      .context = model->groma->context};
  assert_int_equal(gm_job_do(model->base.engine, &f.job, &err), GM_ERR_MEMORY);
  assert_int_equal(f.told, GM_ERR_MEMORY);
  assert_string_equal(err.message, "no memory for the test");
  assert_int_equal(f.voices[LONG].status, GM_ERR_CONTEXT_FULL);
  assert_int_equal(f.voices[SHORT].status, GM_ERR_MEMORY);
}

/* ---- a thread in a callback ---- */

typedef struct caller {
  atomic_bool in_callback, may_return;
  gm_status status;
} caller;

static bool stay(void *user) {
  caller *c = user;
  atomic_store(&c->in_callback, true);
  while (!atomic_load(&c->may_return)) pause_shortly();
  return false;
}

static gm_status caption(const gm_callbacks *callbacks) {
  gm_answer *answer;
  gm_status status = gm_caption(scene, NULL, callbacks, &answer, NULL);
  gm_answer_free(answer);
  return status;
}

static void *caption_with_callback(void *user) {
  caller *c = user;
  gm_callbacks callbacks = gm_callbacks_default();
  callbacks.user = c;
  callbacks.cancelled = stay;
  c->status = caption(&callbacks);
  return NULL;
}

static void *caption_without(void *user) {
  caller *c = user;
  c->status = caption(NULL);
  return NULL;
}

static void wait_for_waiting(uint32_t n) {
  gm_engine_info info = {.struct_size = sizeof info};
  do {
    pause_shortly();
    assert_int_equal(gm_engine_get_info(model->base.engine, &info, NULL), GM_OK);
  } while (info.waiting < n);
}

static void test_a_callback_of_a_waiting_call_holds_up_no_other(void **state) {
  (void)state;
  gm_error err;
  pthread_t threads[2];
  caller first = {.status = GM_ERR_ARGUMENT}, second = {.status = GM_ERR_ARGUMENT};
  (void)test_enter(model, NULL, &err); /* so that both have to wait */
  assert_int_equal(pthread_create(&threads[0], NULL, caption_with_callback, &first), 0);
  wait_for_waiting(1);
  assert_int_equal(pthread_create(&threads[1], NULL, caption_without, &second), 0);
  wait_for_waiting(2);
  while (!atomic_load(&first.in_callback)) pause_shortly();
  test_leave();
  assert_int_equal(pthread_join(threads[1], NULL), 0); /* while the first has not returned */
  assert_int_equal(second.status, GM_OK);
  atomic_store(&first.may_return, true);
  assert_int_equal(pthread_join(threads[0], NULL), 0);
  assert_int_equal(first.status, GM_OK);
}

/* ---- requests ---- */

static gm_request *begin_caption(gm_scene *of) {
  gm_request *request;
  gm_error err;
  assert_ok(gm_request_caption(&request, of, NULL, NULL, &err), &err);
  return request;
}

static void test_request_keeps_scene_and_model(void **state) {
  (void)state;
  gm_model *own_model = test_model(GM_REFERENCE_MINI, NULL, NULL);
  gm_scene *own_scene = test_scene(own_model, "world/scenes/images/064.jpg", NULL);
  gm_request *request = begin_caption(own_scene);
  gm_answer *answer, *want;
  gm_error err;
  gm_scene_free(own_scene);
  gm_model_free(own_model);
  assert_true(gm_request_wait(request, -1));
  assert_ok(gm_request_take_answer(request, &answer, &err), &err);
  gm_request_free(request);
  assert_ok(gm_caption(scene, NULL, NULL, &want, &err), &err);
  assert_same_answer(answer, want);
  gm_answer_free(answer);
  gm_answer_free(want);
}

static void test_refused_event_is_given_again(void **state) {
  (void)state;
  gm_request *request = begin_caption(scene);
  gm_event event = {0};
  assert_true(gm_request_wait(request, -1));
  assert_int_equal(gm_request_next_event(request, 0, &event), GM_ERR_ARGUMENT);
  gm_answer *answer;
  gm_error err;
  size_t length = 0;
  event.struct_size = sizeof event;
  do {
    assert_int_equal(gm_request_next_event(request, 0, &event), GM_OK);
    if (event.type == GM_EVENT_TEXT) length += event.length;
  } while (event.type != GM_EVENT_DONE);
  assert_ok(gm_request_take_answer(request, &answer, &err), &err);
  assert_int_equal(length, strlen(answer->text));
  gm_answer_free(answer);
  gm_request_free(request);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_other_failures_count_before_a_full_context),
      cmocka_unit_test(test_a_callback_of_a_waiting_call_holds_up_no_other),
      cmocka_unit_test(test_request_keeps_scene_and_model),
      cmocka_unit_test(test_refused_event_is_given_again),
  };
  return cmocka_run_group_tests(tests, open_scene, close_scene);
}
