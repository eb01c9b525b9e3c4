/* test_vision_tiny.c - every vision stage of groma-tiny (448 px, geometry released, random
 * weights in sharded fp16 archives, a position grid that is resampled) against the reference's
 * values. */
#include "vision_support.h"

static gm_model_file *tiny;

static int open_model(void **state) {
  (void)state;
  tiny = converted_model(test_data("models/groma-tiny"), "f32");
  return 0;
}

static int close_model(void **state) {
  (void)state;
  gm_model_file_close(tiny);
  return 0;
}

static void check(const char *name, const vision_slices *slices) {
  check_vision_golden(tiny, name, "photos", slices);
}

static void astronaut(void **state) {
  (void)state;
  check("groma-tiny/astronaut", &vision_slices_small);
}

static void chelsea(void **state) {
  (void)state;
  check("groma-tiny/chelsea", &vision_slices_small);
}

static void coffee(void **state) {
  (void)state;
  check("groma-tiny/coffee", &vision_slices_small);
}

static void rocket(void **state) {
  (void)state;
  check("groma-tiny/rocket", &vision_slices_small);
}

/* Two referred boxes that overlap by more than the threshold: the second is suppressed. */
static void overlap(void **state) {
  (void)state;
  check("groma-tiny/overlap", &vision_slices_synthetic);
}

/* No score is over a threshold of 0.999: only the best stays. */
static void none_over_threshold(void **state) {
  (void)state;
  check("groma-tiny/none-over-threshold", &vision_slices_synthetic);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(astronaut), cmocka_unit_test(chelsea),
      cmocka_unit_test(coffee),    cmocka_unit_test(rocket),
      cmocka_unit_test(overlap),   cmocka_unit_test(none_over_threshold),
  };
  return cmocka_run_group_tests_name("vision_tiny", tests, open_model, close_model);
}
