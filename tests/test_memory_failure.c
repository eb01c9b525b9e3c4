/* test_memory_failure.c - when an allocation fails, calls return GM_ERR_MEMORY, leak nothing
 * and leave no half-written file. Slow calls have a stride here; slow/test_memory_failure_all.c
 * tests every allocation. */
#include "memory_failure.h"

enum { STRIDE_CONVERT = 5 };

static void test_pictures(void **state) {
  (void)state;
  memory_failure_pictures();
}

static void test_checkpoints(void **state) {
  (void)state;
  memory_failure_checkpoints();
}

static void test_open(void **state) {
  (void)state;
  memory_failure_open();
}

static void test_convert(void **state) {
  (void)state;
  memory_failure_convert(STRIDE_CONVERT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pictures),
      cmocka_unit_test(test_checkpoints),
      cmocka_unit_test(test_open),
      cmocka_unit_test(test_convert),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
