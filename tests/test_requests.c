/* test_requests.c - gm_request by itself: its events and its end, cancelling it, its deadline,
 * a full queue, and conversations. test_calls_in_callbacks.c tests what is done in callbacks,
 * test_engine.c the answers of concurrent requests. */
#include "engine_support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- events ---- */

enum { PHRASES = 32, TEXT = 2048, STAGES = 16 };

/* What a request's events reported. */
typedef struct record {
  char text[TEXT];
  size_t length;
  outcome phrases; /* as outcome_add_answer has them */
  const char *stage;
  double done;
  bool falls; /* progress of a stage went down */
  bool whole; /* text was not NUL-terminated or not whole characters */
  size_t n_events, n_done, after_done;
  gm_status status;
  char stages[STAGES][16];
  size_t n_stages;
} record;

static void add_bytes(outcome *o, const void *bytes, size_t n) {
  o->bytes = realloc(o->bytes, o->n + n);
  memcpy(o->bytes + o->n, bytes, n);
  o->n += n;
}

static void note_phrase(record *r, const gm_event *event) {
  add_bytes(&r->phrases, event->text, event->length + 1);
  add_bytes(&r->phrases, &event->span_begin, sizeof event->span_begin);
  add_bytes(&r->phrases, &event->span_end, sizeof event->span_end);
  for (size_t i = 0; i < event->n_regions; i++) {
    gm_region region = {.struct_size = sizeof region};
    if (gm_event_region_at(event, i, &region) != GM_OK) r->falls = true;
    add_bytes(&r->phrases, &region.box, sizeof region.box);
    add_bytes(&r->phrases, &region.score, sizeof region.score);
    add_bytes(&r->phrases, &region.index, sizeof region.index);
  }
  gm_region none = {.struct_size = sizeof none};
  if (gm_event_region_at(event, event->n_regions, &none) != GM_ERR_ARGUMENT) r->falls = true;
}

static void note_progress(record *r, const gm_event *event) {
  bool same = r->stage && strcmp(r->stage, event->stage) == 0;
  /* A stage that has ended may begin again: the prefix is read, and then the question. */
  if (event->done < 0 || event->done > 1 || (same && r->done < 1 && event->done < r->done))
    r->falls = true;
  if (!same && r->n_stages < STAGES)
    snprintf(r->stages[r->n_stages++], sizeof r->stages[0], "%s", event->stage);
  r->stage = event->stage;
  r->done = event->done;
}

static void note(void *user, const gm_event *event) {
  record *r = user;
  r->n_events++;
  if (r->n_done > 0) r->after_done++;
  if (event->type == GM_EVENT_PROGRESS) note_progress(r, event);
  if (event->type == GM_EVENT_PHRASE) note_phrase(r, event);
  if (event->type == GM_EVENT_TEXT) {
    if (event->text[event->length] != 0 || event->length == 0) r->whole = true;
    if (r->length + event->length < TEXT)
      memcpy(r->text + r->length, event->text, event->length);
    r->length += event->length;
  }
  if (event->type == GM_EVENT_DONE) {
    r->n_done++;
    r->status = event->status;
  }
}

/* The answer's groundings as note_phrase writes them. */
static outcome groundings_of(const gm_answer *answer) {
  outcome o = {0};
  for (size_t i = 0; i < answer->n_groundings; i++) {
    gm_grounding g = answer_grounding(answer, i);
    add_bytes(&o, g.phrase, strlen(g.phrase) + 1);
    add_bytes(&o, &g.span_begin, sizeof g.span_begin);
    add_bytes(&o, &g.span_end, sizeof g.span_end);
    for (size_t k = 0; k < g.n_regions; k++) {
      gm_region region = answer_region(answer, i, k);
      add_bytes(&o, &region.box, sizeof region.box);
      add_bytes(&o, &region.score, sizeof region.score);
      add_bytes(&o, &region.index, sizeof region.index);
    }
  }
  return o;
}

/* Frees the record and the request. */
static void assert_events_of_answer(record *r, task *t, gm_status wanted) {
  gm_answer *answer;
  gm_error err = {0};
  assert_true(gm_request_wait(t->request, -1));
  assert_int_equal(gm_request_take_answer(t->request, &answer, &err), wanted);
  assert_int_equal(r->n_done, 1);
  assert_int_equal(r->after_done, 0);
  assert_int_equal(r->status, wanted);
  assert_false(r->falls);
  assert_false(r->whole);
  if (answer) {
    outcome groundings = groundings_of(answer);
    assert_true(r->length < TEXT);
    assert_string_equal(r->text, answer->text);
    assert_int_equal(r->phrases.n, groundings.n);
    if (groundings.n > 0) assert_memory_equal(r->phrases.bytes, groundings.bytes, groundings.n);
    outcome_free(&groundings);
  }
  gm_answer_free(answer);
  outcome_free(&r->phrases);
  task_drop(t); /* its results were taken */
}

static void read_events(gm_request *request, record *r) {
  gm_event event = {.struct_size = sizeof event};
  while (gm_request_next_event(request, -1, &event) == GM_OK) note(r, &event);
}

static void test_events_from_the_queue(void **state) {
  (void)state;
  static const task_kind kinds[] = {TASK_CAPTION, TASK_ASK_BOXES, TASK_ASK_SAMPLED, TASK_CHAT};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    record r = {0};
    task t = task_begin(&world, kinds[i], NULL);
    read_events(t.request, &r);
    gm_event event = {.struct_size = sizeof event};
    assert_int_equal(gm_request_next_event(t.request, 0, &event), GM_ERR_ARGUMENT);
    if (kinds[i] == TASK_CAPTION) assert_true(r.phrases.n > 0);
    assert_true(r.length > 0);
    assert_events_of_answer(&r, &t, GM_OK);
  }
  assert_engine_idle(&world);
}

static void test_events_by_callback(void **state) {
  (void)state;
  record r = {0};
  gm_request_params params = gm_request_params_default();
  params.event = note;
  params.user = &r;
  task t = task_begin(&world, TASK_CAPTION, &params);
  gm_event event = {.struct_size = sizeof event};
  assert_int_equal(gm_request_next_event(t.request, 0, &event), GM_ERR_ARGUMENT);
  assert_true(gm_request_wait(t.request, -1));
  assert_true(r.phrases.n > 0);
  assert_events_of_answer(&r, &t, GM_OK);
}

static bool has_stage(const record *r, const char *stage) {
  for (size_t i = 0; i < r->n_stages; i++)
    if (strcmp(r->stages[i], stage) == 0) return true;
  return false;
}

static void test_stages_of_a_scene(void **state) {
  (void)state;
  engine_world w;
  record r = {0};
  engine_world_open(&w, NULL);
  task t = task_begin(&w, TASK_SCENE, NULL);
  read_events(t.request, &r);
  assert_int_equal(r.n_done, 1);
  assert_int_equal(r.status, GM_OK);
  assert_true(has_stage(&r, "image") && has_stage(&r, "vision") && has_stage(&r, "proposer"));
  assert_false(r.falls);
  task_drop(&t);
  engine_world_close(&w);
}

/* ---- waiting and taking ---- */

static void test_waiting(void **state) {
  (void)state;
  task t = task_begin(&world, TASK_CAPTION, NULL);
  gm_answer *answer;
  gm_error err = {0};
  while (!gm_request_wait(t.request, 0)) { /* 0 does not wait; yields to other threads here */
    assert_int_equal(gm_request_take_answer(t.request, &answer, &err), GM_ERR_ARGUMENT);
    assert_null(answer);
    (void)gm_request_wait(t.request, 1e-4);
  }
  assert_true(gm_request_wait(t.request, 1e-4));
  assert_true(gm_request_wait(t.request, 1e300));
  assert_true(gm_request_wait(t.request, -1));
  task_drop(&t);
  t = task_begin(&world, TASK_CAPTION, NULL);
  assert_true(gm_request_wait(t.request, 1e300));
  task_drop(&t);
}

static void test_an_event_that_is_not_there(void **state) {
  (void)state;
  gm_event event = {.struct_size = sizeof event};
  task first = task_begin(&world, TASK_CAPTION, NULL), t = task_begin(&world, TASK_SCENE, NULL);
  gm_status status = gm_request_next_event(t.request, 0, &event);
  assert_true(status == GM_OK || status == GM_ERR_TIMEOUT);
  while ((status = gm_request_next_event(t.request, 1e-3, &event)) != GM_ERR_ARGUMENT)
    assert_true(status == GM_OK || status == GM_ERR_TIMEOUT);
  task_drop(&t);
  task_drop(&first);
}

static void test_results_are_taken_once_and_of_their_kind(void **state) {
  (void)state;
  gm_error err = {0};
  gm_answer *answer;
  gm_scene *scene;
  gm_ground_result *found[3];
  gm_classification *named[1];
  task t = task_begin(&world, TASK_CAPTION, NULL);
  assert_true(gm_request_wait(t.request, -1));
  assert_int_equal(gm_request_take_scene(t.request, &scene, &err), GM_ERR_ARGUMENT);
  assert_null(scene);
  assert_int_equal(gm_request_take_ground_results(t.request, found, 3, &err), GM_ERR_ARGUMENT);
  assert_null(found[0]);
  assert_int_equal(gm_request_take_classifications(t.request, named, 1, &err), GM_ERR_ARGUMENT);
  assert_null(named[0]);
  assert_ok(gm_request_take_answer(t.request, &answer, &err), &err);
  assert_non_null(answer);
  gm_answer_free(answer);
  assert_int_equal(gm_request_take_answer(t.request, &answer, &err), GM_ERR_ARGUMENT);
  assert_null(answer);
  gm_request_free(t.request);
  t = task_begin(&world, TASK_GROUND, NULL);
  assert_true(gm_request_wait(t.request, -1));
  assert_int_equal(gm_request_take_ground_results(t.request, found, 2, &err), GM_ERR_ARGUMENT);
  task_drop(&t);
}

/* Results that are never taken: the sanitizers check that they are freed. */
static void test_requests_freed_at_any_time(void **state) {
  (void)state;
  for (int round = 0; round < 4; round++)
    for (int kind = 0; kind < TASK_KINDS; kind++) {
      gm_event event = {.struct_size = sizeof event};
      task t = task_begin(&world, (task_kind)kind, NULL);
      if (round == 1) (void)gm_request_next_event(t.request, -1, &event);
      if (round == 2) (void)gm_request_wait(t.request, 2e-3);
      if (round == 3) assert_true(gm_request_wait(t.request, -1));
      gm_request_free(t.request);
      gm_chat_free(t.chat);
      gm_view_free(t.view);
    }
  gm_request_free(NULL);
  assert_engine_idle(&world);
  assert_engine_answers(&world);
}

static void test_usage(void **state) {
  (void)state;
  gm_error err = {0};
  gm_usage usage = {.struct_size = sizeof usage};
  gm_answer *answer;
  (void)engine_scene(&world, 0, 0);
  assert_engine_answers(&world); /* so that the prefix exists */
  task t = task_begin(&world, TASK_CAPTION, NULL);
  assert_true(gm_request_wait(t.request, -1));
  assert_int_equal(gm_request_usage(t.request, &usage), GM_OK);
  assert_ok(gm_request_take_answer(t.request, &answer, &err), &err);
  assert_int_equal(usage.generated, answer->n_ids);
  assert_true(usage.cached > 0 && usage.cached < usage.prompt);
  gm_answer_free(answer);
  gm_request_free(t.request);
}

/* ---- cancelling ---- */

static void *cancel_request(void *request) {
  gm_request_cancel(request);
  return NULL;
}

static void cancel_from_another_thread(gm_request *request) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, cancel_request, request), 0);
  pthread_join(thread, NULL);
}

/* Cancels after its n-th event; false if it ended before. */
static bool cancel_after(task_kind kind, size_t n, bool fresh) {
  engine_world own;
  engine_world *w = fresh ? &own : &world;
  if (fresh) engine_world_open(&own, NULL);
  record r = {0};
  gm_event event = {.struct_size = sizeof event};
  task t = task_begin(w, kind, NULL);
  for (size_t i = 0; i < n && r.n_done == 0; i++)
    if (gm_request_next_event(t.request, -1, &event) == GM_OK) note(&r, &event);
  bool running = r.n_done == 0;
  cancel_from_another_thread(t.request);
  read_events(t.request, &r);
  assert_int_equal(r.n_done, 1);
  assert_true(r.status == GM_OK || r.status == GM_ERR_CANCELLED);
  if (kind <= TASK_DESCRIBE || kind == TASK_CHAT) {
    assert_events_of_answer(&r, &t, r.status);
  } else {
    outcome o = task_end(&t);
    assert_int_equal(o.status, r.status);
    assert_true((o.n > 0) == (o.status == GM_OK));
    outcome_free(&o);
  }
  assert_engine_idle(w);
  assert_engine_answers(w);
  if (fresh) engine_world_close(&own);
  return running;
}

static void test_cancel_at_any_moment(void **state) {
  (void)state;
  static const task_kind kinds[] = {TASK_CAPTION, TASK_ASK_BOXES, TASK_CHAT, TASK_GROUND_ALL,
                                    TASK_LABEL};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (size_t n = 0; n < 9; n++)
      if (!cancel_after(kinds[k], n, false)) break;
}

static void test_cancel_while_a_picture_is_seen(void **state) {
  (void)state;
  for (size_t n = 0; n < 5; n++) {
    (void)cancel_after(TASK_SCENE, n, true);
    (void)cancel_after(TASK_CAPTION, n, true); /* the first question */
  }
}

/* Requests that wait in the queue. */
static void test_cancel_in_the_queue(void **state) {
  (void)state;
  task tasks[TASK_KINDS];
  for (int i = 0; i < TASK_KINDS; i++) {
    gm_error err = {0};
    tasks[i] = (task){.kind = (task_kind)i, .picture = 1};
    task_prepare(&world, &tasks[i]);
    assert_ok(task_submit(&world, &tasks[i], NULL, &err), &err);
  }
  for (int i = TASK_KINDS; i-- > 0;) gm_request_cancel(tasks[i].request);
  for (int i = 0; i < TASK_KINDS; i++) {
    outcome o = task_end(&tasks[i]);
    assert_true(o.status == GM_OK || o.status == GM_ERR_CANCELLED);
    outcome_free(&o);
  }
  assert_engine_idle(&world);
  assert_engine_answers(&world);
}

/* ---- deadlines ---- */

static void test_a_deadline_that_has_passed(void **state) {
  (void)state;
  gm_request_params params = gm_request_params_default();
  params.timeout = 1e-9;
  for (int kind = 0; kind < TASK_KINDS; kind++) {
    task t = task_begin(&world, (task_kind)kind, &params);
    outcome o = task_end(&t);
    if (kind == TASK_SCENE && o.status == GM_OK) continue; /* it was in memory */
    assert_int_equal(o.status, GM_ERR_TIMEOUT);
    assert_int_equal(o.n, 0);
    outcome_free(&o);
  }
  assert_engine_idle(&world);
  assert_engine_answers(&world);
}

/* The callback of the first piece of text takes longer than the time that is left. */
static void sleep_over(void *user, const gm_event *event) {
  note(user, event);
  struct timespec t = {0, 300000000};
  if (event->type == GM_EVENT_TEXT) nanosleep(&t, NULL);
}

static void test_a_deadline_in_the_middle(void **state) {
  (void)state;
  record r = {0};
  gm_request_params params = gm_request_params_default();
  assert_engine_answers(&world);
  params.event = sleep_over;
  params.user = &r;
  /* Long enough for a first token on a busy machine, unless it is too long for the sleeps. */
  params.timeout = 1;
  task t = task_begin(&world, TASK_CAPTION, &params);
  gm_answer *answer;
  gm_error err = {0};
  assert_true(gm_request_wait(t.request, -1));
  assert_int_equal(gm_request_take_answer(t.request, &answer, &err), GM_ERR_TIMEOUT);
  assert_int_equal(err.status, GM_ERR_TIMEOUT);
  assert_int_equal(r.status, GM_ERR_TIMEOUT);
  assert_non_null(answer);
  assert_false(answer->complete);
  assert_string_equal(answer->text, r.text);
  gm_answer_free(answer);
  outcome_free(&r.phrases);
  task_drop(&t);
  assert_engine_answers(&world);
}

/* ---- a full queue ---- */

/* Blocks the engine's thread in a callback until it is released. */
typedef struct gate {
  atomic_bool reached, open;
} gate;

static void wait_at(void *user, const gm_event *event) {
  gate *g = user;
  (void)event;
  atomic_store(&g->reached, true);
  while (!atomic_load(&g->open)) sched_yield();
}

static void test_a_full_queue(void **state) {
  (void)state;
  engine_world w;
  gate g = {0};
  gm_error err = {0};
  gm_engine_params params = gm_engine_params_default();
  gm_request_params request = gm_request_params_default();
  params.queue = 2;
  request.event = wait_at;
  request.user = &g;
  engine_world_open(&w, &params);
  assert_int_equal(engine_info(&w).queue, 2);
  task first = task_begin(&w, TASK_CAPTION, &request);
  while (!atomic_load(&g.reached)) sched_yield();
  task second = {.kind = TASK_CAPTION}, third = {.kind = TASK_CAPTION};
  assert_ok(task_submit(&w, &second, NULL, &err), &err);
  assert_int_equal(engine_info(&w).running, 1);
  assert_int_equal(engine_info(&w).waiting, 1);
  for (int kind = 0; kind < TASK_KINDS; kind++) {
    if (kind == TASK_CHAT || kind == TASK_CLASSIFY) continue;
    third.kind = (task_kind)kind;
    assert_int_equal(task_submit(&w, &third, NULL, &err), GM_ERR_BUSY);
    assert_null(third.request);
  }
  gm_answer *answer;
  gm_scene *scene;
  gm_model *model;
  gm_model_params opening = gm_model_params_default();
  opening.engine = w.engine;
  assert_int_equal(gm_caption(w.scenes[0][0], NULL, NULL, &answer, &err), GM_ERR_BUSY);
  assert_null(answer);
  assert_non_null(strstr(err.message, "2 requests"));
  assert_int_equal(gm_scene_create(&scene, w.models[0], w.images[1], NULL, NULL, &err),
                   GM_ERR_BUSY);
  assert_ok(gm_model_open(&model, NULL, &opening, &err), &err); /* takes no place */
  gm_model_free(model);
  gm_chat *chat;
  assert_ok(gm_chat_create(&chat, w.scenes[0][0], &err), &err);
  assert_int_equal(gm_chat_ask(chat, "What is it?", NULL, NULL, &answer, &err), GM_ERR_BUSY);
  atomic_store(&g.open, true);
  task_drop(&first);
  task_drop(&second);
  assert_ok(gm_chat_ask(chat, "What is it?", NULL, NULL, &answer, &err), &err);
  gm_answer_free(answer);
  gm_chat_free(chat);
  assert_engine_idle(&w);
  assert_engine_answers(&w);
  engine_world_close(&w);
}

/* ---- conversations ---- */

static void test_one_turn_at_a_time(void **state) {
  (void)state;
  gm_error err = {0};
  gm_answer *answer;
  gm_request *second;
  gate g = {0};
  gm_request_params params = gm_request_params_default();
  params.event = wait_at;
  params.user = &g;
  task t = task_begin(&world, TASK_CHAT, &params);
  while (!atomic_load(&g.reached)) sched_yield();
  assert_int_equal(gm_request_chat(&second, t.chat, "Where?", NULL, NULL, &err),
                   GM_ERR_ARGUMENT);
  assert_null(second);
  assert_int_equal(gm_chat_ask(t.chat, "Where?", NULL, NULL, &answer, &err), GM_ERR_ARGUMENT);
  atomic_store(&g.open, true);
  assert_true(gm_request_wait(t.request, -1));
  assert_ok(gm_chat_ask(t.chat, "Where?", NULL, NULL, &answer, &err), &err);
  gm_answer_free(answer);
  task_drop(&t);
}

/* Classes of an equal CLIP on another engine: each asks for the other's sum while it runs. */
static void test_classes_of_another_engine(void **state) {
  (void)state;
  engine_world other;
  gm_error err = {0};
  engine_world_open(&other, NULL);
  task t = {.kind = TASK_CLASSIFY};
  outcome alone = task_call(&world, &t);
  task tasks[2] = {{.kind = TASK_CLASSIFY}, {.kind = TASK_CLASSIFY}};
  gm_classes *own = world.classes;
  engine_world *worlds[2] = {&world, &other};
  world.classes = other.classes;
  other.classes = own;
  for (size_t i = 0; i < 2; i++) task_prepare(worlds[i], &tasks[i]);
  for (size_t i = 0; i < 2; i++) assert_ok(task_submit(worlds[i], &tasks[i], NULL, &err), &err);
  for (size_t i = 0; i < 2; i++) {
    outcome o = task_end(&tasks[i]);
    assert_same_outcome(&o, &alone, "classes of another engine", i);
    outcome_free(&o);
  }
  outcome_free(&alone);
  other.classes = world.classes;
  world.classes = own;
  engine_world_close(&other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_events_from_the_queue),
      cmocka_unit_test(test_events_by_callback),
      cmocka_unit_test(test_stages_of_a_scene),
      cmocka_unit_test(test_waiting),
      cmocka_unit_test(test_an_event_that_is_not_there),
      cmocka_unit_test(test_results_are_taken_once_and_of_their_kind),
      cmocka_unit_test(test_requests_freed_at_any_time),
      cmocka_unit_test(test_usage),
      cmocka_unit_test(test_cancel_at_any_moment),
      cmocka_unit_test(test_cancel_while_a_picture_is_seen),
      cmocka_unit_test(test_cancel_in_the_queue),
      cmocka_unit_test(test_a_deadline_that_has_passed),
      cmocka_unit_test(test_a_deadline_in_the_middle),
      cmocka_unit_test(test_a_full_queue),
      cmocka_unit_test(test_one_turn_at_a_time),
      cmocka_unit_test(test_classes_of_another_engine),
  };
  return cmocka_run_group_tests(tests, open_world, close_world);
}
