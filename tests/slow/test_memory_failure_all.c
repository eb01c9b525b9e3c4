/* test_memory_failure_all.c - as test_memory_failure.c, with every single allocation of a
 * conversion failing. */
#include "memory_failure.h"

static void test_convert(void **state) {
  (void)state;
  memory_failure_convert(1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_convert)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
