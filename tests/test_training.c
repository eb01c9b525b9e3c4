/* test_training.c - where gradients go (training.h), and the checks that the tests of backward
 * passes rely on. */
#include "gradient_check.h"

#include <math.h>
#include <stdlib.h>

static void test_gradients_by_address(void **state) {
  (void)state;
  float a[6] = {0}, b[4] = {0}, other[2] = {0};
  learned_array arrays[] = {{b, 4}, {a, 6}};
  gm_training *t = training_open(1, NULL, arrays, 2);
  assert_null(gm_gradient(t, other));
  assert_null(gm_gradient(t, NULL));
  assert_false(gm_learns(t, other));
  assert_true(gm_learns(t, b + 3));
  assert_false(training_reached(t, a));
  /* Within a tensor: rows that a struct points to. */
  assert_ptr_equal(gm_gradient(t, a + 5), training_gradient(t, a) + 5);
  assert_true(training_reached(t, a));
  assert_false(training_reached(t, b));
  /* A matrix that learns by a pair alone has no gradient of its own. */
  float *kept = gm_learned_find(t->learned, b)->gradient;
  gm_learned_find(t->learned, b)->gradient = NULL;
  assert_null(gm_gradient(t, b));
  assert_false(training_reached(t, b));
  gm_learned_find(t->learned, b)->gradient = kept;
  training_close(t);
}

/* f = exp(x0) sin(x1) + x2^5 */
static double example(void *user) {
  const double *x = user;
  return exp(x[0]) * sin(x[1]) + pow(x[2], 5);
}

/* The differences are good to a rounding of the f32 that is compared: half a unit. */
static void test_differences(void **state) {
  (void)state;
  double x[] = {0.5, -1.25, 1.5};
  float g[] = {(float)(exp(0.5) * sin(-1.25)), (float)(exp(0.5) * cos(-1.25)),
               (float)(5 * pow(1.5, 4))};
  assert_gradient(example, x, x, g, 3, 0, 1, 0, "example");
  assert_true(x[0] == 0.5 && x[1] == -1.25 && x[2] == 1.5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gradients_by_address),
      cmocka_unit_test(test_differences),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
