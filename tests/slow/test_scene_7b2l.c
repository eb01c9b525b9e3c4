/* test_scene_7b2l.c - a whole question at Groma-7B's true shapes (computed weights, two
 * language layers) against the reference. */
#include "scene_support.h"

static void astronaut(void **state) {
  (void)state;
  gm_model *model = test_model("synthetic:groma-7b-2l", NULL, NULL);
  check_golden_question(model, "groma-7b-2l/astronaut", "photos");
  gm_model_free(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(astronaut)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
