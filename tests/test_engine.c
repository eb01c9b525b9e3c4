/* test_engine.c - an engine shared by models, calls and requests: batch-invariant answers, the
 * number of threads, shared and kept scenes, and the memory limit. Requests by themselves are
 * in test_requests.c. */
#include "engine_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers do not depend on what else runs ---- */

enum { TASKS = 16 };

/* All kinds on both models and two pictures, and kinds that sample with a seed of their own. */
static task task_number(size_t i) {
  static const task_kind kinds[TASKS] = {
      TASK_CAPTION,  TASK_ASK_BOXES,   TASK_ASK_SAMPLED, TASK_GROUND,
      TASK_CHAT,     TASK_LABEL,       TASK_GROUND_ALL,  TASK_CLASSIFY,
      TASK_DESCRIBE, TASK_ASK_SAMPLED, TASK_SCENE,       TASK_GROUND_FREE,
      TASK_CAPTION,  TASK_ASK_SAMPLED, TASK_ASK_BOXES,   TASK_CHAT};
  return (task){
      .kind = kinds[i], .model = i / 3 % ENGINE_MODELS, .picture = i / 2 % 2, .seed = i};
}

static outcome wanted[TASKS];

static int compute_wanted(void **state) {
  (void)state;
  for (size_t i = 0; i < TASKS; i++) {
    task t = task_number(i);
    wanted[i] = task_alone(&t, 1 + i % 2);
    assert_int_equal(wanted[i].status, GM_OK);
    assert_true(wanted[i].n > 0);
  }
  return 0;
}

static int free_wanted(void **state) {
  (void)state;
  for (size_t i = 0; i < TASKS; i++) outcome_free(&wanted[i]);
  return 0;
}

static void assert_wanted(outcome found, size_t number, const char *what) {
  assert_same_outcome(&found, &wanted[number], what, number);
  outcome_free(&found);
}

/* n of the tasks, from number `first` on, as requests at once. */
static void run_together(engine_world *w, size_t first, size_t n, const char *what) {
  task tasks[TASKS];
  for (size_t i = 0; i < n; i++) {
    tasks[i] = task_number((first + i) % TASKS);
    task_prepare(w, &tasks[i]);
  }
  for (size_t i = 0; i < n; i++) {
    gm_error err = {0};
    assert_ok(task_submit(w, &tasks[i], NULL, &err), &err);
  }
  for (size_t i = 0; i < n; i++) assert_wanted(task_end(&tasks[i]), (first + i) % TASKS, what);
  gm_engine_info info = engine_info(w);
  assert_int_equal(info.waiting, 0);
  assert_int_equal(info.running, 0);
}

static void mixed_tasks(unsigned threads) {
  engine_world w;
  gm_engine_params params = gm_engine_params_default();
  params.threads = threads;
  engine_world_open(&w, &params);
  run_together(&w, 0, TASKS, "16 together");
  run_together(&w, threads, 5, "5 together");
  run_together(&w, 2 + 3 * threads, 2, "2 together");
  run_together(&w, 5 + threads, 1, "1 alone");
  run_together(&w, 8, TASKS, "16 together again");
  engine_world_close(&w);
}

static void test_mixed_tasks_are_as_alone_with_one_thread(void **state) {
  (void)state;
  mixed_tasks(1);
}

static void test_mixed_tasks_are_as_alone_with_two_threads(void **state) {
  (void)state;
  mixed_tasks(2);
}

static void test_mixed_tasks_are_as_alone_with_three_threads(void **state) {
  (void)state;
  mixed_tasks(3);
}

/* One scene alone: its questions are read and stepped together. */
static void test_sixteen_questions_about_one_scene(void **state) {
  (void)state;
  engine_world w;
  task tasks[TASKS];
  outcome alone[4];
  static const task_kind kinds[4] = {TASK_CAPTION, TASK_ASK_SAMPLED, TASK_ASK_BOXES,
                                     TASK_GROUND_FREE};
  for (size_t i = 0; i < 4; i++) {
    task t = {.kind = kinds[i], .picture = 2, .seed = 7};
    alone[i] = task_alone(&t, 1);
  }
  engine_world_open(&w, NULL);
  for (size_t i = 0; i < TASKS; i++) {
    gm_error err = {0};
    tasks[i] = (task){.kind = kinds[i % 4], .picture = 2, .seed = 7};
    task_prepare(&w, &tasks[i]);
    assert_ok(task_submit(&w, &tasks[i], NULL, &err), &err);
  }
  for (size_t i = 0; i < TASKS; i++) {
    outcome found = task_end(&tasks[i]);
    assert_same_outcome(&found, &alone[i % 4], "one scene", i);
    outcome_free(&found);
  }
  engine_world_close(&w);
  for (size_t i = 0; i < 4; i++) outcome_free(&alone[i]);
}

/* A request whose text begins the others, one after each of its pieces, and cancels one. */
typedef struct conductor {
  engine_world *world;
  task *tasks;
  size_t begun, n;
  bool failed;
  gm_request *victim;
} conductor;

static void begin_another(void *user, const gm_event *event) {
  conductor *c = user;
  gm_error err;
  if (event->type != GM_EVENT_TEXT) return;
  if (c->begun < c->n) {
    if (task_submit(c->world, &c->tasks[c->begun], NULL, &err) != GM_OK) c->failed = true;
    c->begun++;
  } else if (c->victim) {
    gm_request_cancel(c->victim);
  }
}

static void test_requests_join_and_leave_while_others_run(void **state) {
  (void)state;
  enum { FIRST = 0, JOINS = 5 };
  static const size_t numbers[JOINS] = {2, 3, 9, 4, 5};
  engine_world w;
  engine_world_open(&w, NULL);
  task first = task_number(FIRST), victim = task_number(12), joins[JOINS];
  conductor c = {.world = &w, .tasks = joins, .n = JOINS};
  gm_request_params params = gm_request_params_default();
  gm_error err = {0};
  params.event = begin_another;
  params.user = &c;
  task_prepare(&w, &first);
  task_prepare(&w, &victim);
  for (size_t i = 0; i < JOINS; i++) {
    joins[i] = task_number(numbers[i]);
    task_prepare(&w, &joins[i]);
  }
  assert_ok(task_submit(&w, &victim, NULL, &err), &err);
  c.victim = victim.request;
  assert_ok(task_submit(&w, &first, &params, &err), &err);
  assert_wanted(task_end(&first), FIRST, "the first");
  assert_false(c.failed);
  assert_int_equal(c.begun, JOINS); /* else the answer has too few pieces for this test */
  for (size_t i = 0; i < JOINS; i++)
    assert_wanted(task_end(&joins[i]), numbers[i], "one that joined");
  outcome left = task_end(&victim);
  if (left.status == GM_OK) assert_same_outcome(&left, &wanted[12], "not cancelled", 12);
  outcome_free(&left);
  engine_world_close(&w);
}

/* ---- threads ---- */

typedef struct thread_count {
  atomic_size_t most;
} thread_count;

static void count_threads(void *user, const gm_event *event) {
  (void)event;
  thread_count *count = user;
  size_t now = threads_now(), most = atomic_load(&count->most);
  while (now > most && !atomic_compare_exchange_weak(&count->most, &most, now)) continue;
}

static void test_never_more_threads_than_asked_for(void **state) {
  (void)state;
  engine_world w;
  thread_count count = {0};
  task tasks[TASKS];
  gm_engine_params params = gm_engine_params_default();
  gm_request_params request = gm_request_params_default();
  size_t before = threads_now();
  params.threads = 3;
  request.event = count_threads;
  request.user = &count;
  engine_world_open(&w, &params);
  for (size_t i = 0; i < TASKS; i++) {
    gm_error err = {0};
    tasks[i] = task_number(i);
    task_prepare(&w, &tasks[i]);
    assert_ok(task_submit(&w, &tasks[i], &request, &err), &err);
  }
  for (size_t i = 0; i < TASKS; i++) assert_wanted(task_end(&tasks[i]), i, "counting threads");
  assert_true(atomic_load(&count.most) > before);
  assert_true(atomic_load(&count.most) <= before + 3);
  engine_world_close(&w);
  assert_int_equal(threads_now(), before);
}

/* ---- scenes ---- */

typedef struct creator {
  engine_world *world;
  size_t picture;
  gm_scene *scene;
  gm_status status;
  bool saw; /* computed its vision */
} creator;

static void note_vision(void *user, const char *stage, double done) {
  (void)done;
  creator *c = user;
  if (strcmp(stage, "vision") == 0) c->saw = true;
}

static void *create_scene(void *user) {
  creator *c = user;
  gm_callbacks callbacks = gm_callbacks_default();
  callbacks.user = c;
  callbacks.progress = note_vision;
  c->saw = false;
  c->status = gm_scene_create(&c->scene, c->world->models[0], c->world->images[c->picture],
                              NULL, &callbacks, NULL);
  return NULL;
}

static creator create(engine_world *w, size_t picture) {
  creator c = {.world = w, .picture = picture};
  (void)create_scene(&c);
  return c;
}

static void test_one_picture_from_two_threads_is_one_scene(void **state) {
  (void)state;
  engine_world w;
  engine_world_open(&w, NULL);
  creator creators[2] = {{.world = &w}, {.world = &w}};
  pthread_t threads[2];
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, create_scene, &creators[i]), 0);
  for (size_t i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  for (size_t i = 0; i < 2; i++) assert_int_equal(creators[i].status, GM_OK);
  assert_ptr_equal(creators[0].scene, creators[1].scene);
  assert_true(creators[0].saw != creators[1].saw);
  assert_int_equal(engine_info(&w).scenes, 1);
  for (size_t i = 0; i < 2; i++) gm_scene_free(creators[i].scene);
  engine_world_close(&w);
}

/* Without kept scenes, each scene is computed anew. */
static void test_no_kept_scenes(void **state) {
  (void)state;
  engine_world w;
  gm_engine_params params = gm_engine_params_default();
  params.kept_scenes = GM_NONE;
  engine_world_open(&w, &params);
  creator first = create(&w, 0), second = create(&w, 0);
  assert_true(first.saw && second.saw);
  assert_int_equal(engine_info(&w).scenes, 2);
  gm_scene_free(first.scene);
  gm_scene_free(second.scene);
  assert_int_equal(engine_info(&w).scenes, 0);
  assert_int_equal(engine_info(&w).memory_used, 0);
  engine_world_close(&w);
}

static void test_kept_scenes_go_in_the_order_of_their_use(void **state) {
  (void)state;
  engine_world w;
  gm_engine_params params = gm_engine_params_default();
  params.kept_scenes = 2;
  engine_world_open(&w, &params);
  for (size_t p = 0; p < 2; p++) gm_scene_free(create(&w, p).scene);
  assert_int_equal(engine_info(&w).scenes, 2);
  creator again = create(&w, 0); /* now 1 is the least recently used */
  assert_false(again.saw);
  gm_scene_free(again.scene);
  gm_scene_free(create(&w, 2).scene);
  assert_int_equal(engine_info(&w).scenes, 2);
  for (size_t k = 0; k < 2; k++) {
    creator kept = create(&w, 2 * k);
    assert_false(kept.saw);
    gm_scene_free(kept.scene);
  }
  creator gone = create(&w, 1);
  assert_true(gone.saw);
  gm_scene_free(gone.scene);
  engine_world_close(&w);
}

/* Eight threads ask first questions at once. */
typedef struct asker {
  engine_world *world;
  pthread_barrier_t *begin;
  gm_status status;
  bool regions; /* the regions' vectors were computed for it */
  gm_usage usage;
  char text[512];
} asker;

static void *ask_first(void *user) {
  asker *a = user;
  gm_event event = {.struct_size = sizeof event};
  gm_request *request;
  gm_answer *answer = NULL;
  a->usage.struct_size = sizeof a->usage;
  pthread_barrier_wait(a->begin);
  a->status = gm_request_caption(&request, a->world->scenes[0][0], NULL, NULL, NULL);
  if (a->status != GM_OK) return NULL;
  while (gm_request_next_event(request, -1, &event) == GM_OK)
    if (event.type == GM_EVENT_PROGRESS && strcmp(event.stage, "regions") == 0)
      a->regions = true;
  a->status = gm_request_usage(request, &a->usage);
  if (a->status == GM_OK) a->status = gm_request_take_answer(request, &answer, NULL);
  if (a->status == GM_OK) strncpy(a->text, answer->text, sizeof a->text - 1);
  gm_answer_free(answer);
  gm_request_free(request);
  return NULL;
}

static void test_the_prefix_is_computed_once_for_eight_first_questions(void **state) {
  (void)state;
  enum { ASKERS = 8 };
  engine_world w;
  engine_world_open(&w, NULL);
  (void)engine_scene(&w, 0, 0);
  asker askers[ASKERS] = {0};
  pthread_t threads[ASKERS];
  pthread_barrier_t begin;
  pthread_barrier_init(&begin, NULL, ASKERS);
  for (size_t i = 0; i < ASKERS; i++) {
    askers[i].world = &w;
    askers[i].begin = &begin;
    assert_int_equal(pthread_create(&threads[i], NULL, ask_first, &askers[i]), 0);
  }
  size_t computed = 0, cached = 0;
  for (size_t i = 0; i < ASKERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(askers[i].status, GM_OK);
    assert_string_equal(askers[i].text, askers[0].text);
    computed += askers[i].regions;
    cached += askers[i].usage.cached > 0;
    assert_int_equal(askers[i].usage.prompt, askers[0].usage.prompt);
    assert_true(askers[i].usage.cached < askers[i].usage.prompt);
  }
  assert_int_equal(computed, 1);
  assert_int_equal(cached, ASKERS - 1);
  pthread_barrier_destroy(&begin);
  engine_world_close(&w);
}

/* ---- memory ---- */

enum { KV_BYTES = 4 * 2 * 192 * 4 }; /* of a position: groma-mini's layers, k and v, dim, f32 */

static gm_status caption(gm_scene *scene, gm_error *err) {
  gm_answer *answer;
  gm_status status = gm_caption(scene, NULL, NULL, &answer, err);
  gm_answer_free(answer);
  return status;
}

/* A question that adds few keys and values of its own. */
static gm_status ground_one(gm_scene *scene, gm_error *err) {
  const char *const phrase = "the tree";
  gm_ground_result *result;
  gm_status status = gm_ground(scene, &phrase, 1, NULL, NULL, &result, err);
  gm_ground_result_free(result);
  return status;
}

static void test_bytes_of_a_scene_grow_with_its_first_question(void **state) {
  (void)state;
  engine_world w;
  gm_error err = {0};
  engine_world_open(&w, NULL);
  assert_int_equal(engine_info(&w).memory_used, 0);
  gm_scene *scene = engine_scene(&w, 0, 0);
  uint64_t before = gm_scene_bytes(scene);
  assert_int_equal(engine_info(&w).memory_used, before);
  task t = {.kind = TASK_CAPTION};
  task_prepare(&w, &t);
  assert_ok(caption(scene, &err), &err);
  uint64_t after = gm_scene_bytes(scene);
  assert_ok(task_submit(&w, &t, NULL, &err), &err);
  assert_true(gm_request_wait(t.request, -1));
  gm_usage usage = {.struct_size = sizeof usage};
  assert_int_equal(gm_request_usage(t.request, &usage), GM_OK);
  outcome o = task_end(&t);
  outcome_free(&o);
  assert_true(usage.cached > 2 * gm_scene_region_count(scene));
  assert_true(after >= before + usage.cached * KV_BYTES);
  assert_true(after < before + 3 * usage.cached * KV_BYTES + ((uint64_t)16 << 20));
  assert_int_equal(engine_info(&w).memory_used, after);
  assert_int_equal(gm_scene_bytes(scene), after);
  engine_world_close(&w);
}

static void test_memory_limit(void **state) {
  (void)state;
  engine_world w;
  gm_error err = {0};
  engine_world_open(&w, NULL);
  uint64_t fresh[ENGINE_PICTURES], asked[ENGINE_PICTURES];
  for (size_t p = 0; p < ENGINE_PICTURES; p++) {
    fresh[p] = gm_scene_bytes(engine_scene(&w, 0, p));
    assert_ok(caption(w.scenes[0][p], &err), &err);
    asked[p] = gm_scene_bytes(w.scenes[0][p]);
  }
  engine_world_close(&w);

  gm_engine_params params = gm_engine_params_default();
  params.memory = asked[0] + asked[1] + fresh[2] / 2;
  engine_world_open(&w, &params);
  assert_int_equal(engine_info(&w).memory, params.memory);
  creator first = create(&w, 0), second = create(&w, 1);
  assert_ok(ground_one(first.scene, &err), &err);
  assert_ok(ground_one(second.scene, &err), &err);
  gm_scene *third;
  assert_int_equal(gm_scene_create(&third, w.models[0], w.images[2], NULL, NULL, &err),
                   GM_ERR_MEMORY);
  assert_null(third);
  assert_non_null(strstr(err.message, "2 scenes"));
  assert_non_null(strstr(err.message, "free scenes"));
  assert_int_equal(engine_info(&w).scenes, 2);
  gm_scene_free(first.scene); /* kept until its memory is needed */
  assert_int_equal(engine_info(&w).scenes, 2);
  assert_ok(gm_scene_create(&third, w.models[0], w.images[2], NULL, NULL, &err), &err);
  assert_true(engine_info(&w).memory_used <= params.memory);
  assert_int_equal(engine_info(&w).scenes, 2);
  gm_scene_free(second.scene);
  assert_ok(ground_one(third, &err), &err);
  gm_scene_free(third);
  assert_true(engine_info(&w).memory_used <= params.memory);
  first = create(&w, 0);
  assert_int_equal(first.status, GM_OK);
  assert_true(first.saw);
  gm_scene_free(first.scene);
  engine_world_close(&w);
}

/* What a first question computes counts too. */
static void test_memory_limit_of_a_question(void **state) {
  (void)state;
  engine_world w;
  gm_error err = {0};
  engine_world_open(&w, NULL);
  uint64_t fresh = gm_scene_bytes(engine_scene(&w, 0, 0));
  assert_ok(caption(w.scenes[0][0], &err), &err);
  uint64_t asked = gm_scene_bytes(w.scenes[0][0]);
  engine_world_close(&w);
  gm_engine_params params = gm_engine_params_default();
  params.memory = asked + fresh / 2;
  engine_world_open(&w, &params);
  creator first = create(&w, 0), second = create(&w, 1);
  assert_int_equal(second.status, GM_OK);
  assert_int_equal(ground_one(first.scene, &err), GM_ERR_MEMORY);
  assert_non_null(strstr(err.message, "free scenes"));
  gm_scene_free(second.scene);
  assert_ok(ground_one(first.scene, &err), &err);
  assert_true(engine_info(&w).memory_used <= params.memory);
  gm_scene_free(first.scene);
  engine_world_close(&w);
}

/* So does what an answer adds while it grows: a block of keys and values. */
static void test_memory_limit_of_an_answer(void **state) {
  (void)state;
  engine_world w;
  gm_error err = {0};
  engine_world_open(&w, NULL);
  engine_scene(&w, 0, 0);
  assert_ok(caption(w.scenes[0][0], &err), &err);
  uint64_t asked = gm_scene_bytes(w.scenes[0][0]);
  engine_world_close(&w);
  gm_engine_params params = gm_engine_params_default();
  params.memory = asked + 1;
  engine_world_open(&w, &params);
  creator first = create(&w, 0);
  assert_int_equal(caption(first.scene, &err), GM_ERR_MEMORY);
  assert_non_null(strstr(err.message, "give it more memory"));
  assert_int_equal(gm_scene_bytes(first.scene), asked);
  assert_int_equal(engine_info(&w).memory_used, asked);
  gm_scene_free(first.scene);
  engine_world_close(&w);
}

/* And a conversation between its turns. */
static void test_a_conversation_at_rest_is_counted(void **state) {
  (void)state;
  engine_world w;
  gm_error err = {0};
  gm_chat *chat;
  gm_answer *answer;
  engine_world_open(&w, NULL);
  gm_scene *scene = engine_scene(&w, 0, 0);
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  assert_int_equal(engine_info(&w).memory_used, gm_scene_bytes(scene));
  for (int turn = 0; turn < 2; turn++) {
    assert_ok(gm_chat_ask(chat, "What is this?", NULL, NULL, &answer, &err), &err);
    gm_answer_free(answer);
    assert_true(engine_info(&w).memory_used > gm_scene_bytes(scene));
  }
  gm_chat_free(chat);
  assert_int_equal(engine_info(&w).memory_used, gm_scene_bytes(scene));
  engine_world_close(&w);
}

/* ---- the order of frees ---- */

static void test_an_engine_lives_until_its_last_model(void **state) {
  (void)state;
  engine_world w;
  gm_error err = {0};
  engine_world_open(&w, NULL);
  gm_engine_free(w.engine);
  w.engine = NULL;
  for (size_t m = 0; m < ENGINE_MODELS; m++) {
    assert_ok(caption(engine_scene(&w, m, 0), &err), &err);
    gm_scene_free(w.scenes[m][0]); /* kept */
    w.scenes[m][0] = NULL;
  }
  gm_model_free(w.models[0]);
  w.models[0] = NULL;
  assert_ok(caption(engine_scene(&w, 1, 0), &err), &err);
  engine_world_close(&w);
}

static void test_a_freed_model_takes_its_kept_scenes(void **state) {
  (void)state;
  engine_world w;
  engine_world_open(&w, NULL);
  for (size_t m = 0; m < ENGINE_MODELS; m++) {
    (void)engine_scene(&w, m, 0);
    gm_scene_free(w.scenes[m][0]);
    w.scenes[m][0] = NULL;
  }
  assert_int_equal(engine_info(&w).scenes, 2);
  gm_model_free(w.models[0]);
  w.models[0] = NULL;
  assert_int_equal(engine_info(&w).scenes, 1);
  engine_world_close(&w);
}

static void test_a_view_outlives_its_image(void **state) {
  (void)state;
  enum { NUMBER = 7 };
  engine_world w;
  gm_error err = {0};
  engine_world_open(&w, NULL);
  task t = task_number(NUMBER);
  assert_int_equal(t.kind, TASK_CLASSIFY);
  task_prepare(&w, &t);
  gm_image_free(w.images[t.picture]);
  w.images[t.picture] = NULL;
  assert_ok(task_submit(&w, &t, NULL, &err), &err);
  assert_wanted(task_end(&t), NUMBER, "a view without its image");
  engine_world_close(&w);
}

/* Handles may be freed as soon as the requests exist. */
static void test_a_request_keeps_what_it_needs(void **state) {
  (void)state;
  static const size_t numbers[] = {0, 2, 3, 4, 5, 10, 14};
  enum { N = sizeof numbers / sizeof *numbers };
  engine_world w;
  task tasks[N];
  gm_engine_params params = gm_engine_params_default();
  params.kept_scenes = GM_NONE; /* so that a freed scene is gone at once */
  engine_world_open(&w, &params);
  for (size_t i = 0; i < N; i++) {
    gm_error err = {0};
    tasks[i] = task_number(numbers[i]);
    task_prepare(&w, &tasks[i]);
    assert_ok(task_submit(&w, &tasks[i], NULL, &err), &err);
  }
  for (size_t m = 0; m < ENGINE_MODELS; m++)
    for (size_t p = 0; p < ENGINE_PICTURES; p++) {
      gm_scene_free(w.scenes[m][p]);
      w.scenes[m][p] = NULL;
    }
  for (size_t i = 0; i < ENGINE_PICTURES; i++) {
    gm_image_free(w.images[i]);
    w.images[i] = NULL;
  }
  for (size_t i = 0; i < N; i++)
    assert_wanted(task_end(&tasks[i]), numbers[i], "handles freed");
  assert_int_equal(engine_info(&w).scenes, 0);
  assert_int_equal(engine_info(&w).memory_used, 0);
  engine_world_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_mixed_tasks_are_as_alone_with_one_thread),
      cmocka_unit_test(test_mixed_tasks_are_as_alone_with_two_threads),
      cmocka_unit_test(test_mixed_tasks_are_as_alone_with_three_threads),
      cmocka_unit_test(test_sixteen_questions_about_one_scene),
      cmocka_unit_test(test_requests_join_and_leave_while_others_run),
      cmocka_unit_test(test_never_more_threads_than_asked_for),
      cmocka_unit_test(test_one_picture_from_two_threads_is_one_scene),
      cmocka_unit_test(test_no_kept_scenes),
      cmocka_unit_test(test_kept_scenes_go_in_the_order_of_their_use),
      cmocka_unit_test(test_the_prefix_is_computed_once_for_eight_first_questions),
      cmocka_unit_test(test_bytes_of_a_scene_grow_with_its_first_question),
      cmocka_unit_test(test_memory_limit),
      cmocka_unit_test(test_memory_limit_of_a_question),
      cmocka_unit_test(test_memory_limit_of_an_answer),
      cmocka_unit_test(test_a_conversation_at_rest_is_counted),
      cmocka_unit_test(test_an_engine_lives_until_its_last_model),
      cmocka_unit_test(test_a_freed_model_takes_its_kept_scenes),
      cmocka_unit_test(test_a_view_outlives_its_image),
      cmocka_unit_test(test_a_request_keeps_what_it_needs),
  };
  return cmocka_run_group_tests(tests, compute_wanted, free_wanted);
}
