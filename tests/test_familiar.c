/* test_familiar.c - the arithmetic of unlikeness; real pictures are tested in
 * cli/test_cli_scope.py. */
#include "support.h"

#include "familiar.h"

/* y1 = x1 - 1, y2 = 2 x2 + x1 */
static const float rows[2][3] = {{1, 0, -1}, {1, 2, 0}};

static float measure(const float *states, size_t patches) {
  gm_error err = {0};
  float out = -1;
  assert_int_equal(gm_unlikeness(rows[0], 2, 2, states, patches, &out, &err), GM_OK);
  return out;
}

static void summed_squares(void **state) {
  (void)state;
  assert_true(measure((const float[]){1, -0.5F}, 1) == 0);
  assert_true(measure((const float[]){3, 1}, 1) == 4 + 25);
}

/* The patches have 29, 0, 2 and 4. */
static void median_of_patches(void **state) {
  (void)state;
  const float states[] = {3, 1, 1, -0.5F, 0, 0.5F, 1, 0.5F};
  assert_true(measure(states, 2) == (29.0F + 0) / 2);
  assert_true(measure(states, 3) == 2);
  assert_true(measure(states, 4) == (2.0F + 4) / 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(summed_squares),
      cmocka_unit_test(median_of_patches),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
