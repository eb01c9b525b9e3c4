/* test_scene_tiny.c - whole questions to groma-tiny (random weights, released geometry, grouped
 * key-value heads, LLaMA's vocabulary) against the reference: prompt, logits, ids, text. */
#include "scene_support.h"

static gm_model *tiny;

static int open_model(void **state) {
  (void)state;
  tiny = test_model(test_data("models/groma-tiny"), "f32", NULL);
  return 0;
}

static int close_model(void **state) {
  (void)state;
  gm_model_free(tiny);
  return 0;
}

static void astronaut(void **state) {
  (void)state;
  check_golden_question(tiny, "groma-tiny/astronaut", "photos");
}

static void chelsea(void **state) {
  (void)state;
  check_golden_question(tiny, "groma-tiny/chelsea", "photos");
}

static void one_box(void **state) {
  (void)state;
  check_golden_question(tiny, "groma-tiny/coffee", "photos");
}

static void two_boxes(void **state) {
  (void)state;
  check_golden_question(tiny, "groma-tiny/rocket", "photos");
}

static void boxes_that_overlap(void **state) {
  (void)state;
  check_golden_question(tiny, "groma-tiny/overlap", "photos");
}

static void no_region_over_the_threshold(void **state) {
  (void)state;
  check_golden_question(tiny, "groma-tiny/none-over-threshold", "photos");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(astronaut),
      cmocka_unit_test(chelsea),
      cmocka_unit_test(one_box),
      cmocka_unit_test(two_boxes),
      cmocka_unit_test(boxes_that_overlap),
      cmocka_unit_test(no_region_over_the_threshold),
  };
  return cmocka_run_group_tests(tests, open_model, close_model);
}
