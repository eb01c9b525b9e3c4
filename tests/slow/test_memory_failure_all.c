/* test_memory_failure_all.c - as test_memory_failure.c, with every single allocation failing of
 * the calls that take long. */
#include "memory_failure.h"

static void test_convert(void **state) {
  (void)state;
  memory_failure_convert(1);
}

static void test_ask(void **state) {
  (void)state;
  memory_failure_ask(1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_convert),
      cmocka_unit_test(test_ask),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
