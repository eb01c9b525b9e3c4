/* test_scene_mini.c - whole questions to groma-mini (trained, geometry xyxy, its own
 * vocabulary) against the reference: prompt, logits, ids, text. */
#include "scene_support.h"

static gm_model *mini;

static int open_model(void **state) {
  (void)state;
  mini = test_model(GM_REFERENCE_MINI, NULL, NULL);
  return 0;
}

static int close_model(void **state) {
  (void)state;
  gm_model_free(mini);
  return 0;
}

static const char PICTURES[] = "world/scenes/images";

static void caption(void **state) {
  (void)state;
  check_golden_question(mini, "groma-mini/caption", PICTURES);
}

static void count(void **state) {
  (void)state;
  check_golden_question(mini, "groma-mini/count", PICTURES);
}

static void describe(void **state) {
  (void)state;
  check_golden_question(mini, "groma-mini/describe", PICTURES);
}

static void describe_at_length(void **state) {
  (void)state;
  check_golden_question(mini, "groma-mini/describe-long", PICTURES);
}

static void locate(void **state) {
  (void)state;
  check_golden_question(mini, "groma-mini/locate", PICTURES);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(caption),  cmocka_unit_test(count),
      cmocka_unit_test(describe), cmocka_unit_test(describe_at_length),
      cmocka_unit_test(locate),
  };
  return cmocka_run_group_tests(tests, open_model, close_model);
}
