/* test_tune_seen.c - what is kept of pictures while frozen parts stay the same: losses are
 * those of the same model computed from the pixels, pixels are not read again, memory is
 * bounded. */
#include "support.h"

#include "tune_run.h"

#include <math.h>

static const gm_tune_object objects[2][4] = {
    {{sizeof(gm_tune_object), {108, 46, 193, 124}, "a tree", "tree"},
     {sizeof(gm_tune_object), {104, 134, 155, 192}, "a tree", "tree"},
     {sizeof(gm_tune_object), {26, 16, 79, 93}, "a rabbit", "rabbit"},
     {sizeof(gm_tune_object), {9, 167, 60, 217}, "a guitar", "guitar"}},
    {{sizeof(gm_tune_object), {175, 232, 264, 318}, "a trumpet", "trumpet"},
     {sizeof(gm_tune_object), {103, 262, 153, 318}, "a cat", "cat"}}};

/* Of these parts of groma-mini; close it. */
static void open_run(gm_tune_run *run, const char *parts) {
  gm_error err;
  const gm_tune_picture pictures[2] = {{.struct_size = sizeof(gm_tune_picture),
                                        .path = test_data("world/scenes/images/000.png"),
                                        .background = "white",
                                        .objects = objects[0],
                                        .n_objects = 4},
                                       {.struct_size = sizeof(gm_tune_picture),
                                        .path = test_data("world/scenes/images/001.jpg"),
                                        .background = "pink",
                                        .objects = objects[1],
                                        .n_objects = 2}};
  gm_tune_params params = gm_tune_params_default();
  params.learned = params.held = pictures;
  params.n_learned = params.n_held = 2;
  params.parts = parts;
  params.batch = 2;
  assert_ok(gm_tune_run_open(run, &params, NULL, &err), &err);
}

static gm_tune_losses held_of(gm_tune_run *run) {
  gm_error err;
  gm_tune_losses losses;
  assert_ok(gm_tune_run_held(run, 2, &losses, &err), &err);
  return losses;
}

/* Of the untouched model, with the vision encoder among what learns: nothing is kept. Its
 * weights are the file's f16 numbers in f32, so the losses are the same but for the order of
 * sums in products of other shapes, some 1e-6, and their effect on factors that are rounded to
 * bf16, 4e-3 each and averaged over many. */
static void losses_are_those_from_pixels(void **state) {
  static const struct {
    const char *parts;
    gm_seen_kind sees;
  } cases[] = {
      {"boxes", GM_SEEN_FEATURES}, {"words", GM_SEEN_VECTORS}, {"boxes,words", GM_SEEN_STATES}};
  gm_tune_run all;
  (void)state;
  open_run(&all, NULL);
  assert_int_equal(all.sees, GM_SEEN_NOTHING);
  const gm_tune_losses wanted = held_of(&all);
  assert_true(wanted.words > 0 && wanted.boxes > 0 && wanted.classes > 0);
  assert_int_equal(all.kept, 0);
  gm_tune_run_close(&all);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gm_tune_run run;
    open_run(&run, cases[i].parts);
    assert_int_equal(run.sees, cases[i].sees);
    const gm_tune_losses first = held_of(&run), again = held_of(&run);
    print_message("%s: words %g boxes %g, wanted %g %g\n", cases[i].parts, first.words,
                  first.boxes, wanted.words, wanted.boxes);
    if (run.model.parts.words) assert_true(fabs(first.words / wanted.words - 1) < 2e-3);
    if (run.model.parts.boxes) assert_true(fabs(first.boxes / wanted.boxes - 1) < 2e-3);
    assert_true(first.words == again.words && first.boxes == again.boxes);
    for (size_t p = 0; p < 2; p++) assert_true(run.unread[p]);
    assert_true(run.kept > 0);
    gm_tune_run_close(&run);
  }
}

/* Pictures that there is no room for are computed each time, with the same losses. */
static void memory_is_bounded(void **state) {
  gm_tune_run run;
  (void)state;
  open_run(&run, "words");
  const gm_tune_losses kept = held_of(&run);
  gm_tune_run_close(&run);
  open_run(&run, "words");
  run.room = 0;
  const gm_tune_losses none = held_of(&run);
  assert_int_equal(run.kept, 0);
  for (size_t p = 0; p < 2; p++) assert_false(run.unread[p]);
  assert_true(none.words == kept.words);
  gm_tune_run_close(&run);
}

/* A step that learns keeps, beside its own, the regions that later ones are likely to ask for:
 * another draw of the same picture reads no pixels. */
static void later_steps_find_their_regions(void **state) {
  gm_tune_run run;
  gm_tune_losses losses;
  gm_error err;
  (void)state;
  open_run(&run, "words");
  for (int i = 0; i < 8; i++) {
    assert_ok(gm_tune_run_batch(&run, &losses, &err), &err);
    assert_true(losses.words > 0);
  }
  for (size_t p = 0; p < 2; p++) assert_true(run.unread[p]);
  gm_tune_run_close(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(losses_are_those_from_pixels),
                                     cmocka_unit_test(memory_is_bounded),
                                     cmocka_unit_test(later_steps_find_their_regions)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
