/* test_calls_in_callbacks.c - what may be done within callbacks: freeing requests and engines,
 * and which calls are refused there. */
#include "engine_support.h"

#include <sched.h>
#include <stdatomic.h>

static engine_world world; /* shared by the tests that leave it unchanged */

static int open_world(void **state) {
  (void)state;
  gm_engine_params params = gm_engine_params_default();
  params.threads = 2;
  engine_world_open(&world, &params);
  return 0;
}

static int close_world(void **state) {
  (void)state;
  engine_world_close(&world);
  return 0;
}

/* ---- freeing in callbacks ---- */

typedef struct freer {
  gm_request *request; /* set before its first event */
  gm_event_type when;
  size_t events, after;
  bool freed;
  atomic_bool over;
} freer;

static void free_at(void *user, const gm_event *event) {
  freer *f = user;
  if (f->freed) f->after++;
  f->events++;
  if (f->freed || event->type != f->when) return;
  f->freed = true;
  gm_request_free(f->request);
  atomic_store(&f->over, true);
}

static void test_a_request_is_freed_in_its_callback(void **state) {
  (void)state;
  for (gm_event_type when = GM_EVENT_PROGRESS; when <= GM_EVENT_DONE; when++) {
    freer f = {.when = when};
    gm_error err = {0};
    gm_request_params params = gm_request_params_default();
    params.event = free_at;
    params.user = &f;
    assert_ok(gm_request_caption(&f.request, engine_scene(&world, 0, 0), NULL, &params, &err),
              &err);
    while (!atomic_load(&f.over)) sched_yield();
    while (engine_info(&world).running + engine_info(&world).waiting > 0) sched_yield();
    assert_int_equal(f.after, 0);
    assert_engine_answers(&world);
  }
}

/* One request's callback frees another, which runs or waits. */
static void test_a_callback_frees_other_requests(void **state) {
  (void)state;
  for (int kind = 0; kind < TASK_KINDS; kind++) {
    if (kind == TASK_CHAT || kind == TASK_CLASSIFY)
      continue; /* their chats must outlive them */
    freer f = {.when = GM_EVENT_TEXT};
    gm_request_params params = gm_request_params_default();
    params.event = free_at;
    params.user = &f;
    task other = task_begin(&world, (task_kind)kind, NULL);
    f.request = other.request;
    task t = task_begin(&world, TASK_CAPTION, &params);
    assert_true(gm_request_wait(t.request, -1));
    assert_true(f.freed);
    task_drop(&t);
  }
  while (engine_info(&world).running + engine_info(&world).waiting > 0) sched_yield();
  assert_engine_answers(&world);
}

/* Everything is freed in the last callback, on the engine's own thread. */
typedef struct last_words {
  engine_world w;
  gm_request *request;
  gm_status status;
  atomic_bool over;
} last_words;

static void free_everything(void *user, const gm_event *event) {
  last_words *l = user;
  gm_answer *answer;
  if (event->type != GM_EVENT_DONE) return;
  l->status = gm_request_take_answer(l->request, &answer, NULL);
  if (l->status == GM_OK && !gm_request_wait(l->request, 0)) l->status = GM_ERR_ARGUMENT;
  gm_answer_free(answer);
  gm_request_free(l->request);
  engine_world_close(&l->w);
  atomic_store(&l->over, true);
}

static void test_the_engine_is_freed_in_the_last_callback(void **state) {
  (void)state;
  last_words l = {0};
  gm_error err = {0};
  gm_request_params params = gm_request_params_default();
  size_t threads = threads_now();
  params.event = free_everything;
  params.user = &l;
  engine_world_open(&l.w, NULL);
  assert_ok(gm_request_caption(&l.request, engine_scene(&l.w, 0, 0), NULL, &params, &err),
            &err);
  while (!atomic_load(&l.over)) sched_yield();
  assert_int_equal(l.status, GM_OK);
  while (threads_now() > threads) sched_yield();
}

/* ---- calls from within callbacks ---- */

typedef struct caller {
  engine_world *w;
  size_t calls, wrong;
  gm_request *submitted;
  gm_chat *chat;
} caller;

static void refuse(caller *c, gm_status status) {
  c->wrong += status != GM_ERR_ARGUMENT;
}

/* Every call that computes is refused; others work. */
static void call_everything(caller *c) {
  engine_world *w = c->w;
  gm_scene *scene = w->scenes[0][0];
  gm_box box = {108, 46, 193, 124};
  gm_answer *answer = NULL;
  gm_scene *made = NULL;
  gm_model *model = NULL;
  gm_clip *clip = NULL;
  gm_view *view = NULL;
  gm_classes *classes = NULL;
  gm_explanation *explanation = NULL;
  gm_classification *named = NULL;
  gm_ground_result *found = NULL;
  const char *const words[] = {"a tree"};
  char sum[65];
  static float feature[4096];
  gm_model_params opening = gm_model_params_default();
  gm_clip_params clip_opening = gm_clip_params_default();
  gm_classes_params class_params = gm_classes_params_default();
  gm_view_params view_params = gm_view_params_default(GM_METHOD_WCA);
  gm_event event = {.struct_size = sizeof event};
  opening.engine = clip_opening.engine = w->engine;
  class_params.method = GM_METHOD_CLIP;
  class_params.names = words;
  class_params.n_names = 1;
  view_params.crops = 2;
  if (c->calls++ > 0) return;
  refuse(c, gm_caption(scene, NULL, NULL, &answer, NULL));
  refuse(c, gm_captions(&scene, 1, NULL, NULL, &answer, NULL));
  refuse(c, gm_ask(scene, words, NULL, 1, NULL, &answer, NULL));
  refuse(c, gm_describe(scene, &box, 1, false, NULL, NULL, &answer, NULL));
  refuse(c, gm_chat_ask(c->chat, "What?", NULL, NULL, &answer, NULL));
  refuse(c, gm_ground(scene, words, 1, NULL, NULL, &found, NULL));
  refuse(c, gm_scene_create(&made, w->models[0], w->images[0], NULL, NULL, NULL));
  refuse(c, gm_scene_create(&made, w->models[0], w->images[2], NULL, NULL, NULL));
  refuse(c, gm_model_open(&model, NULL, &opening, NULL));
  refuse(c, gm_model_open(&model, NULL, NULL, NULL));
  refuse(c, gm_clip_open(&clip, NULL, &clip_opening, NULL));
  refuse(c, gm_model_sha256(w->models[0], sum, NULL, NULL));
  refuse(c, gm_clip_sha256(w->clip, sum, NULL, NULL));
  refuse(c, gm_clip_encode_texts(w->clip, words, 1, feature, NULL, NULL));
  refuse(c, gm_clip_encode_boxes(w->clip, w->images[0], &box, 1, feature, NULL, NULL));
  refuse(c, gm_classes_create(&classes, w->clip, &class_params, NULL, NULL));
  if (gm_view_create(&view, w->clip, w->images[0], &view_params, NULL) != GM_OK) c->wrong++;
  refuse(c, gm_classify(view, w->classes, NULL, NULL, &named, NULL));
  refuse(c, gm_explain(view, w->classes, 0, NULL, NULL, &explanation, NULL));
  refuse(c, gm_label_regions(w->clip, w->images[0], &box, 1, w->classes, NULL, NULL, NULL,
                             &named, NULL));
  gm_view_free(view);
  if (gm_request_caption(&c->submitted, scene, NULL, NULL, NULL) != GM_OK) c->wrong++;
  if (gm_request_wait(c->submitted, -1)) c->wrong++;
  while (gm_request_next_event(c->submitted, -1, &event) == GM_OK) continue;
  gm_request *doomed;
  if (gm_request_caption(&doomed, scene, NULL, NULL, NULL) != GM_OK) c->wrong++;
  gm_request_cancel(doomed);
  gm_request_free(doomed);
  gm_region region = {.struct_size = sizeof region};
  if (gm_scene_region_at(scene, 0, &region) != GM_OK) c->wrong++;
  if (answer || made || model || clip || classes || explanation || named || found) c->wrong++;
}

static void call_in_progress(void *user, const char *stage, double done) {
  (void)stage;
  (void)done;
  call_everything(user);
}

static void call_in_text(void *user, const char *text, size_t length) {
  (void)text;
  (void)length;
  call_everything(user);
}

static bool call_in_cancelled(void *user) {
  call_everything(user);
  return false;
}

static void call_in_progress_event(void *user, const gm_event *event) {
  if (event->type == GM_EVENT_PROGRESS) call_everything(user);
}

static void call_in_text_event(void *user, const gm_event *event) {
  if (event->type == GM_EVENT_TEXT) call_everything(user);
}

static void call_in_phrase_event(void *user, const gm_event *event) {
  if (event->type == GM_EVENT_PHRASE) call_everything(user);
}

static void call_in_done_event(void *user, const gm_event *event) {
  if (event->type == GM_EVENT_DONE) call_everything(user);
}

static caller new_caller(void) {
  caller c = {.w = &world};
  gm_error err = {0};
  assert_ok(gm_chat_create(&c.chat, engine_scene(&world, 0, 0), &err), &err);
  return c;
}

static void end_caller(caller *c) {
  assert_true(c->calls > 0);
  assert_int_equal(c->wrong, 0);
  task t = {.kind = TASK_CAPTION, .request = c->submitted};
  outcome o = task_end(&t);
  assert_int_equal(o.status, GM_OK);
  outcome_free(&o);
  gm_chat_free(c->chat);
  while (engine_info(&world).running + engine_info(&world).waiting > 0) sched_yield();
}

static void test_calls_from_within_a_calls_callbacks(void **state) {
  (void)state;
  for (int which = 0; which < 4; which++) {
    caller c = new_caller();
    gm_error err = {0};
    gm_callbacks callbacks = gm_callbacks_default();
    char sum[65];
    callbacks.user = &c;
    if (which == 1) callbacks.text = call_in_text;
    if (which == 2)
      callbacks.cancelled = call_in_cancelled;
    else if (which != 1)
      callbacks.progress = call_in_progress;
    gm_answer *answer = NULL;
    if (which < 3)
      assert_ok(gm_caption(world.scenes[0][0], NULL, &callbacks, &answer, &err), &err);
    else
      assert_ok(gm_model_sha256(world.models[0], sum, &callbacks, &err), &err);
    gm_answer_free(answer);
    end_caller(&c);
  }
}

static void test_calls_from_within_a_requests_events(void **state) {
  (void)state;
  void (*const events[])(void *, const gm_event *) = {
      call_in_progress_event, call_in_text_event, call_in_phrase_event, call_in_done_event};
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
    caller c = new_caller();
    gm_request_params params = gm_request_params_default();
    params.event = events[i];
    params.user = &c;
    task t = task_begin(&world, TASK_CAPTION, &params);
    assert_true(gm_request_wait(t.request, -1));
    task_drop(&t);
    end_caller(&c);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_request_is_freed_in_its_callback),
      cmocka_unit_test(test_a_callback_frees_other_requests),
      cmocka_unit_test(test_the_engine_is_freed_in_the_last_callback),
      cmocka_unit_test(test_calls_from_within_a_calls_callbacks),
      cmocka_unit_test(test_calls_from_within_a_requests_events),
  };
  return cmocka_run_group_tests(tests, open_world, close_world);
}
