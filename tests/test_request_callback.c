/* test_request_callback.c - a request's callback: it has returned from the last event before a
 * wait returns; it may take the results; and it is not called after it has freed the request.
 */
#include "support.h"

#include "gromatic.h"

#include <stdatomic.h>
#include <time.h>

static gm_model *model;
static gm_scene *scene;

static int open_scene(void **state) {
  (void)state;
  gm_image *image = NULL;
  bool ok =
      gm_model_open(&model, NULL, NULL, NULL) == GM_OK &&
      gm_image_open(&image, GM_TEST_DATA "/world/scenes/images/064.jpg", NULL, NULL) == GM_OK &&
      gm_scene_create(&scene, model, image, NULL, NULL, NULL) == GM_OK;
  gm_image_free(image);
  return ok ? 0 : -1;
}

static int close_scene(void **state) {
  (void)state;
  gm_scene_free(scene);
  gm_model_free(model);
  return 0;
}

typedef struct heard {
  gm_request *_Atomic request; /* NULL until it was begun */
  atomic_uint events, freed_at;
  atomic_bool end_returned;
  gm_answer *answer;
  gm_status taken;
} heard;

static gm_request *begin_caption(heard *h, void (*event)(void *, const gm_event *)) {
  gm_request_params params = gm_request_params_default();
  params.event = event;
  params.user = h;
  gm_request *request = NULL;
  gm_error err;
  if (gm_request_caption(&request, scene, NULL, &params, &err) != GM_OK)
    fail_msg("%s", err.message);
  atomic_store(&h->request, request);
  return request;
}

static void pause_shortly(void) {
  const struct timespec t = {.tv_nsec = 20 * 1000 * 1000};
  nanosleep(&t, NULL);
}

/* Long enough that a wait that ignores the callback would return before it. */
static void end_slowly(void *user, const gm_event *event) {
  heard *h = user;
  if (event->type != GM_EVENT_DONE) return;
  pause_shortly();
  atomic_store(&h->end_returned, true);
}

static void test_wait_returns_after_the_callback(void **state) {
  (void)state;
  heard h = {.request = NULL};
  gm_request *request = begin_caption(&h, end_slowly);
  assert_true(gm_request_wait(request, -1));
  assert_true(atomic_load(&h.end_returned));
  gm_request_free(request);
}

static void test_free_returns_after_the_callback(void **state) {
  (void)state;
  heard h = {.request = NULL};
  gm_request_free(begin_caption(&h, end_slowly));
  assert_true(atomic_load(&h.end_returned));
}

static void take_at_the_end(void *user, const gm_event *event) {
  heard *h = user;
  while (!atomic_load(&h->request)) pause_shortly();
  if (event->type == GM_EVENT_DONE)
    h->taken = gm_request_take_answer(atomic_load(&h->request), &h->answer, NULL);
}

static void test_callback_takes_the_answer(void **state) {
  (void)state;
  heard h = {.taken = GM_ERR_ARGUMENT};
  gm_request *request = begin_caption(&h, take_at_the_end);
  assert_true(gm_request_wait(request, -1));
  assert_int_equal(h.taken, GM_OK);
  assert_non_null(h.answer);
  assert_true(h.answer->complete);
  gm_answer_free(h.answer);
  gm_request_free(request);
}

static void free_at_first_text(void *user, const gm_event *event) {
  heard *h = user;
  while (!atomic_load(&h->request)) pause_shortly();
  unsigned n = atomic_fetch_add(&h->events, 1) + 1;
  if (event->type != GM_EVENT_TEXT || atomic_load(&h->freed_at)) return;
  gm_request_free(atomic_load(&h->request));
  atomic_store(&h->freed_at, n);
}

static void test_no_event_after_free_in_callback(void **state) {
  (void)state;
  heard h = {.request = NULL};
  (void)begin_caption(&h, free_at_first_text);
  gm_answer *answer = NULL; /* of the same engine, so the freed request has ended before it */
  assert_int_equal(gm_caption(scene, NULL, NULL, &answer, NULL), GM_OK);
  gm_answer_free(answer);
  while (!atomic_load(&h.freed_at)) pause_shortly();
  assert_int_equal(gm_caption(scene, NULL, NULL, &answer, NULL), GM_OK);
  gm_answer_free(answer);
  assert_int_equal(atomic_load(&h.events), atomic_load(&h.freed_at));
}

static void free_at_the_end(void *user, const gm_event *event) {
  heard *h = user;
  while (!atomic_load(&h->request)) pause_shortly();
  if (event->type != GM_EVENT_DONE) return;
  gm_request_free(atomic_load(&h->request));
  atomic_store(&h->end_returned, true);
}

static void test_callback_frees_at_the_end(void **state) {
  (void)state;
  heard h = {.request = NULL};
  (void)begin_caption(&h, free_at_the_end);
  while (!atomic_load(&h.end_returned)) pause_shortly();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_wait_returns_after_the_callback),
      cmocka_unit_test(test_free_returns_after_the_callback),
      cmocka_unit_test(test_callback_takes_the_answer),
      cmocka_unit_test(test_no_event_after_free_in_callback),
      cmocka_unit_test(test_callback_frees_at_the_end),
  };
  return cmocka_run_group_tests(tests, open_scene, close_scene);
}
