/* test_compute.c - operations that poll between pieces: each task runs once, and a cancellation
 * ends the call between pieces. */
#include "ops.h"
#include "support.h"

#include <string.h>

enum { TASKS = 24 };

typedef struct work {
  unsigned runs[TASKS];
  unsigned polls, most_polls; /* the poll after this many cancels */
} work;

static void count(void *arg, size_t task, size_t worker) {
  work *w = arg;
  (void)worker;
  assert_true(task < TASKS);
  w->runs[task]++;
}

static bool poll(void *user) {
  work *w = user;
  return ++w->polls > w->most_polls;
}

static gm_status run(work *w, size_t shares, double pieces) {
  gm_compute c = {.cancelled = poll, .cancel_user = w};
  return gm_run_in_pieces(&c, count, w, TASKS, shares, (pieces - 0.5) * GM_PIECE);
}

static void test_each_task_runs_once(void **state) {
  (void)state;
  static const size_t shares[] = {1, 2, 3, 8, 24};
  for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++) {
    for (int pieces = 1; pieces < 30; pieces++) {
      work w = {.most_polls = UINT32_MAX};
      assert_int_equal(run(&w, shares[s], pieces), GM_OK);
      for (size_t i = 0; i < TASKS; i++) assert_int_equal(w.runs[i], 1);
    }
  }
}

static void test_polls_between_pieces(void **state) {
  (void)state;
  work one = {.most_polls = UINT32_MAX}, four = one, most = one;
  assert_int_equal(run(&one, 1, 1), GM_OK);
  assert_int_equal(one.polls, 0);
  assert_int_equal(run(&four, 2, 4), GM_OK);
  assert_int_equal(four.polls, 3);
  assert_int_equal(run(&most, 1, 1000), GM_OK);
  assert_int_equal(most.polls, TASKS - 1);
}

static void test_cancel_ends_between_pieces(void **state) {
  (void)state;
  work w = {.most_polls = 1};
  assert_int_equal(run(&w, 1, 4), GM_ERR_CANCELLED);
  for (size_t i = 0; i < TASKS; i++) assert_int_equal(w.runs[i], i < TASKS / 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_task_runs_once),
      cmocka_unit_test(test_polls_between_pieces),
      cmocka_unit_test(test_cancel_ends_between_pieces),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
