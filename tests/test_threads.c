/* test_threads.c - the promise that a model, a CLIP and classes may be used from several
 * threads: eight of them caption, ground, label, cancel and free at the same time, with two
 * different pictures, by calls and by requests, and every answer is the same as from one thread
 * alone. Under ThreadSanitizer (preset tsan) this finds races. cmocka's assertions belong to
 * the main thread: the others count faults. */
#include "engine_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 3, PICTURES = 2 };

static const char *const pictures[PICTURES] = {GM_TEST_DATA "/world/scenes/images/000.png",
                                               GM_TEST_DATA "/world/scenes/images/064.jpg"};

typedef struct shared {
  gm_model *model;
  gm_clip *clip;
  gm_classes *classes;
  gm_image *images[PICTURES];
  char *captions[PICTURES];
  gm_region best[PICTURES];  /* for "the guitar" */
  float raw_score[PICTURES]; /* of the first label of the first region */
  atomic_int faults;
} shared;

typedef struct caller {
  shared *s;
  int number;
} caller;

static bool fails(shared *s, gm_status status, gm_status wanted, const char *what,
                  const gm_error *err) {
  if (status == wanted) return false;
  fprintf(stderr, "%s: found %s, wanted %s: %s\n", what, gm_status_name(status),
          gm_status_name(wanted), err->message);
  atomic_fetch_add(&s->faults, 1);
  return true;
}

static void expect(shared *s, bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "%s differs from that of one thread alone\n", what);
  atomic_fetch_add(&s->faults, 1);
}

static gm_scene *scene_of(shared *s, int picture) {
  gm_scene *scene = NULL;
  gm_error err = {0};
  fails(s, gm_scene_create(&scene, s->model, s->images[picture], NULL, NULL, &err), GM_OK,
        "scene", &err);
  return scene;
}

static char *caption_of(shared *s, gm_scene *scene) {
  gm_answer *answer = NULL;
  gm_error err = {0};
  if (fails(s, gm_caption(scene, NULL, NULL, &answer, &err), GM_OK, "caption", &err))
    return NULL;
  char *text = strdup(answer->text);
  gm_answer_free(answer);
  return text;
}

static gm_region ground(shared *s, gm_scene *scene) {
  const char *const phrases[] = {"the guitar"};
  gm_ground_result *result = NULL;
  gm_region best = {.struct_size = sizeof best};
  gm_error err = {0};
  if (fails(s, gm_ground(scene, phrases, 1, NULL, NULL, &result, &err), GM_OK, "ground", &err))
    return best;
  if (result->n_regions > 0)
    fails(s, gm_ground_region_at(result, 0, &best), GM_OK, "best region", &err);
  gm_ground_result_free(result);
  return best;
}

static float label(shared *s, gm_scene *scene, int picture) {
  gm_region region = {.struct_size = sizeof region};
  gm_label first = {.struct_size = sizeof first};
  gm_classification *named = NULL;
  gm_error err = {0};
  if (gm_scene_region_at(scene, 0, &region) != GM_OK ||
      fails(s,
            gm_label_regions(s->clip, s->images[picture], &region.box, 1, s->classes, NULL,
                             NULL, NULL, &named, &err),
            GM_OK, "label", &err))
    return -2;
  fails(s, gm_label_at(named, 0, &first), GM_OK, "first label", &err);
  gm_classification_free(named);
  return first.raw_score;
}

/* Cancels a call after some polls. */
static bool cancel_later(void *user) {
  int *left = user;
  return --*left < 0;
}

static void cancel(shared *s, gm_scene *scene, int polls) {
  gm_callbacks callbacks = {
      .struct_size = sizeof callbacks, .user = &polls, .cancelled = cancel_later};
  gm_answer *answer = NULL;
  gm_error err = {0};
  gm_status status = gm_caption(scene, NULL, &callbacks, &answer, &err);
  if (status != GM_OK) fails(s, status, GM_ERR_CANCELLED, "cancelled caption", &err);
  gm_answer_free(answer);
}

static void *call(void *arg) {
  const caller *c = arg;
  shared *s = c->s;
  for (int round = 0; round < ROUNDS; round++) {
    int picture = (c->number + round) % PICTURES;
    gm_scene *scene = scene_of(s, picture);
    if (!scene) return NULL;
    if (c->number % 2) cancel(s, scene, 3 * c->number + round);
    char *text = caption_of(s, scene);
    expect(s, text && strcmp(text, s->captions[picture]) == 0, "caption");
    free(text);
    gm_region best = ground(s, scene);
    expect(s, memcmp(&best, &s->best[picture], sizeof best) == 0, "ground");
    float score = label(s, scene, picture);
    expect(s, memcmp(&score, &s->raw_score[picture], sizeof score) == 0, "label");
    gm_scene_free(scene);
  }
  return NULL;
}

static void test_eight_threads_share_what_may_be_shared(void **state) {
  (void)state;
  shared s = {0};
  gm_error err = {0};
  gm_model_params params = gm_model_params_default();
  gm_clip_params clip_params = gm_clip_params_default();
  gm_classes_params classes = gm_classes_params_default();
  const char *const names[] = {"guitar", "rabbit", "sun"};
  params.threads = 2;
  clip_params.threads = 2;
  classes.method = GM_METHOD_CLIP;
  classes.names = names;
  classes.n_names = 3;
  assert_int_equal(gm_model_open(&s.model, NULL, &params, &err), GM_OK);
  assert_int_equal(gm_clip_open(&s.clip, NULL, &clip_params, &err), GM_OK);
  assert_int_equal(gm_classes_create(&s.classes, s.clip, &classes, NULL, &err), GM_OK);
  for (int i = 0; i < PICTURES; i++) {
    assert_int_equal(gm_image_open(&s.images[i], pictures[i], NULL, &err), GM_OK);
    gm_scene *scene = scene_of(&s, i);
    s.captions[i] = caption_of(&s, scene);
    s.best[i] = ground(&s, scene);
    s.raw_score[i] = label(&s, scene, i);
    gm_scene_free(scene);
    assert_non_null(s.captions[i]);
  }
  pthread_t threads[THREADS];
  caller callers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    callers[i] = (caller){&s, i};
    assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  assert_int_equal(atomic_load(&s.faults), 0);
  for (int i = 0; i < PICTURES; i++) {
    gm_image_free(s.images[i]);
    free(s.captions[i]);
  }
  gm_classes_free(s.classes);
  gm_clip_free(s.clip);
  gm_model_free(s.model);
}

/* ---- one engine for all: calls and requests at once, chats that other threads free ---- */

typedef struct busy_engine {
  engine_world w;
  char *captions[ENGINE_MODELS][PICTURES];
  char *turns[ENGINE_MODELS][PICTURES];
  float raw_score;
  _Atomic(gm_chat *) left; /* a chat that another thread has left */
  shared s;                /* faults */
} busy_engine;

typedef struct worker {
  busy_engine *b;
  int number;
} worker;

static const char question[] = "What is in the picture?";

/* Takes the request's answer. cancelled: it may have ended early. */
static char *text_of(busy_engine *b, gm_request *request, bool cancelled) {
  gm_answer *answer;
  gm_error err = {0};
  if (!gm_request_wait(request, -1)) atomic_fetch_add(&b->s.faults, 1);
  gm_status status = gm_request_take_answer(request, &answer, &err);
  if (!cancelled || status != GM_ERR_CANCELLED)
    fails(&b->s, status, GM_OK, "a request's answer", &err);
  char *text = status == GM_OK ? strdup(answer->text) : NULL;
  gm_answer_free(answer);
  gm_request_free(request);
  return text;
}

static void expect_text(busy_engine *b, char *found, const char *wanted, const char *what) {
  expect(&b->s, found && strcmp(found, wanted) == 0, what);
  free(found);
}

static char *caption_by_request(busy_engine *b, gm_scene *scene, bool cancelled) {
  gm_request *request;
  gm_error err = {0};
  if (fails(&b->s, gm_request_caption(&request, scene, NULL, NULL, &err), GM_OK, "request",
            &err))
    return NULL;
  gm_event event = {.struct_size = sizeof event};
  if (cancelled) {
    (void)gm_request_next_event(request, -1, &event);
    gm_request_cancel(request);
  }
  return text_of(b, request, cancelled);
}

static char *turn(busy_engine *b, gm_chat *chat, bool by_request) {
  gm_error err = {0};
  gm_answer *answer = NULL;
  gm_request *request;
  if (by_request) {
    gm_status status = gm_request_chat(&request, chat, question, NULL, NULL, &err);
    return fails(&b->s, status, GM_OK, "turn", &err) ? NULL : text_of(b, request, false);
  }
  fails(&b->s, gm_chat_ask(chat, question, NULL, NULL, &answer, &err), GM_OK, "turn", &err);
  char *text = answer ? strdup(answer->text) : NULL;
  gm_answer_free(answer);
  return text;
}

static float classify(busy_engine *b, bool by_request) {
  gm_view_params params = gm_view_params_default(GM_METHOD_WCA);
  gm_view *view;
  gm_classification *named = NULL;
  gm_label first = {.struct_size = sizeof first};
  gm_request *request = NULL;
  gm_error err = {0};
  params.crops = 3;
  if (fails(&b->s, gm_view_create(&view, b->w.clip, b->w.images[0], &params, &err), GM_OK,
            "view", &err))
    return -2;
  gm_status status = by_request
                         ? gm_request_classify(&request, view, b->w.classes, NULL, NULL, &err)
                         : gm_classify(view, b->w.classes, NULL, NULL, &named, &err);
  if (request && gm_request_wait(request, -1))
    status = gm_request_take_classifications(request, &named, 1, &err);
  if (!fails(&b->s, status, GM_OK, "classify", &err))
    fails(&b->s, gm_label_at(named, 0, &first), GM_OK, "label", &err);
  gm_request_free(request);
  gm_classification_free(named);
  gm_view_free(view);
  return first.raw_score;
}

static void *work(void *arg) {
  const worker *me = arg;
  busy_engine *b = me->b;
  for (int round = 0; round < ROUNDS; round++) {
    size_t model = (size_t)(me->number / 2 % ENGINE_MODELS),
           picture = (size_t)(me->number + round) % PICTURES;
    bool by_request = (me->number + round) % 2;
    gm_scene *scene;
    gm_chat *chat;
    gm_error err = {0};
    if (fails(
            &b->s,
            gm_scene_create(&scene, b->w.models[model], b->w.images[picture], NULL, NULL, &err),
            GM_OK, "scene", &err))
      return NULL;
    if (me->number % 3 == 0) free(caption_by_request(b, scene, true));
    char *caption = by_request ? caption_by_request(b, scene, false) : caption_of(&b->s, scene);
    expect_text(b, caption, b->captions[model][picture], "caption on a shared engine");
    gm_scene_free(scene);
    scene = b->w.scenes[model][picture]; /* outlives the chats */
    if (fails(&b->s, gm_chat_create(&chat, scene, &err), GM_OK, "chat", &err)) return NULL;
    expect_text(b, turn(b, chat, by_request), b->turns[model][picture], "turn");
    gm_chat_free(atomic_exchange(&b->left, chat));
    float score = classify(b, by_request);
    expect(&b->s, memcmp(&score, &b->raw_score, sizeof score) == 0, "classification");
  }
  return NULL;
}

static void test_calls_and_requests_of_eight_threads_on_one_engine(void **state) {
  (void)state;
  busy_engine b = {0};
  gm_engine_params params = gm_engine_params_default();
  params.threads = 2;
  engine_world_open(&b.w, &params);
  for (size_t m = 0; m < ENGINE_MODELS; m++)
    for (size_t p = 0; p < PICTURES; p++) {
      gm_chat *chat;
      gm_error err = {0};
      b.captions[m][p] = caption_of(&b.s, engine_scene(&b.w, m, p));
      assert_ok(gm_chat_create(&chat, b.w.scenes[m][p], &err), &err);
      b.turns[m][p] = turn(&b, chat, false);
      gm_chat_free(chat);
    }
  b.raw_score = classify(&b, false);
  pthread_t threads[THREADS];
  worker workers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){&b, i};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  assert_int_equal(atomic_load(&b.s.faults), 0);
  gm_chat_free(atomic_load(&b.left));
  gm_engine_info info = engine_info(&b.w);
  assert_int_equal(info.waiting + info.running, 0);
  assert_int_equal(info.scenes, ENGINE_MODELS * PICTURES);
  for (size_t m = 0; m < ENGINE_MODELS; m++)
    for (size_t p = 0; p < PICTURES; p++) {
      free(b.captions[m][p]);
      free(b.turns[m][p]);
    }
  engine_world_close(&b.w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_eight_threads_share_what_may_be_shared),
      cmocka_unit_test(test_calls_and_requests_of_eight_threads_on_one_engine)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
