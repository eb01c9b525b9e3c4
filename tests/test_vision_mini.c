/* test_vision_mini.c - every vision stage of groma-mini (224 px, geometry xyxy, trained)
 * against the reference's values. */
#include "vision_support.h"

static gm_model_file *mini;

static int open_model(void **state) {
  (void)state;
  mini = converted_model(GM_TEST_DATA "/models/groma-mini", "f32");
  return 0;
}

static int close_model(void **state) {
  (void)state;
  gm_model_file_close(mini);
  return 0;
}

static void check(const char *name) {
  check_vision_golden(mini, name, "world/scenes/images", &vision_slices_small);
}

static void caption(void **state) {
  (void)state;
  check("groma-mini/caption");
}

static void locate(void **state) {
  (void)state;
  check("groma-mini/locate");
}

static void count(void **state) {
  (void)state;
  check("groma-mini/count");
}

/* These two have a referred box among the candidates. */
static void describe(void **state) {
  (void)state;
  check("groma-mini/describe");
}

static void describe_long(void **state) {
  (void)state;
  check("groma-mini/describe-long");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(caption),  cmocka_unit_test(locate),        cmocka_unit_test(count),
      cmocka_unit_test(describe), cmocka_unit_test(describe_long),
  };
  return cmocka_run_group_tests_name("vision_mini", tests, open_model, close_model);
}
