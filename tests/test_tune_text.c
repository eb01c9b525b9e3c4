/* test_tune_text.c - what tuning does to texts: mirrored expressions, and the list of parts. */
#include "support.h"

#include "tune_look.h"
#include "tune_model.h"

static void mirrors_words_alone(void **state) {
  static const char *const cases[][2] = {
      {"the dog on the left", "the dog on the right"},
      {"Right of the leftmost cup", "Left of the leftmost cup"},
      {"left, right and left", "right, left and right"},
      {"a bright light", "a bright light"},
      {"left2 left", "left2 right"},
      {"", ""},
  };
  gm_arena arena = {0};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *got = gm_mirrored_text(cases[i][0], &arena);
    assert_non_null(got);
    assert_string_equal(got, cases[i][1]);
  }
  gm_arena_free(&arena);
}

static void reads_parts(void **state) {
  gm_tune_parts parts;
  gm_error err;
  (void)state;
  assert_int_equal(gm_tune_parts_read(&parts, NULL, &err), GM_OK);
  assert_true(parts.boxes && parts.regions && parts.words);
  assert_int_equal(gm_tune_parts_read(&parts, "words,boxes", &err), GM_OK);
  assert_true(parts.boxes && !parts.regions && parts.words);
  static const char *const wrong[] = {"", "box", "boxes,", ",words", "boxes words", "WORDS"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_int_equal(gm_tune_parts_read(&parts, wrong[i], &err), GM_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(mirrors_words_alone),
                                     cmocka_unit_test(reads_parts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
