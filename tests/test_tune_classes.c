/* test_tune_classes.c - names are classes: one name is one class, in old pictures and new ones.
 */
#include "support.h"

#include "tune_pictures.h"

#include <stdio.h>

enum { MOST = GM_TUNE_CLASSES };

static gm_tune_object named(const char *name) {
  return (gm_tune_object){sizeof(gm_tune_object), {0, 0, 10, 10}, name, name};
}

static gm_tune_picture picture_of(const gm_tune_object *objects, size_t n) {
  return (gm_tune_picture){.struct_size = sizeof(gm_tune_picture),
                           .path = "x.png",
                           .objects = objects,
                           .n_objects = n};
}

static void old_and_new_share_them(void **state) {
  const gm_tune_object learned[] = {named("a cat"), named("a dog"), named("a cat")};
  const gm_tune_object kept[] = {named("a dog"), named("a fox")};
  const gm_tune_object held[] = {named("a fox"), named("a cow"), named("a cat")};
  const gm_tune_picture pictures[] = {picture_of(learned, 3), picture_of(kept, 2),
                                      picture_of(held, 3)};
  gm_tune_params params = gm_tune_params_default();
  gm_tune_pictures list;
  gm_error err;
  (void)state;
  params.learned = &pictures[0];
  params.kept = &pictures[1];
  params.held = &pictures[2];
  params.n_learned = params.n_kept = params.n_held = 1;
  assert_ok(gm_tune_pictures_read(&list, &params, &err), &err);
  assert_int_equal(list.n_classes, 3);
  assert_int_equal(list.n_names, 2);
  assert_string_equal(list.names[0], "a cat");
  assert_string_equal(list.names[1], "a dog");
  const int32_t wanted[3][3] = {{0, 1, 0}, {1, 2, -1}, {2, -1, 0}};
  assert_memory_equal(list.learned.classes[0], wanted[0], 3 * sizeof(int32_t));
  assert_memory_equal(list.kept.classes[0], wanted[1], 2 * sizeof(int32_t));
  assert_memory_equal(list.held.classes[0], wanted[2], 3 * sizeof(int32_t));
  gm_tune_pictures_free(&list);
}

static void there_are_not_too_many(void **state) {
  static char names[MOST + 2][8];
  static gm_tune_object objects[MOST + 2];
  (void)state;
  for (size_t i = 0; i < MOST + 2; i++) {
    snprintf(names[i], sizeof names[i], "n%zu", i);
    objects[i] = named(names[i]);
  }
  const gm_tune_picture picture = picture_of(objects, MOST + 2);
  gm_tune_params params = gm_tune_params_default();
  gm_tune_pictures list;
  gm_error err;
  params.learned = &picture;
  params.n_learned = 1;
  assert_ok(gm_tune_pictures_read(&list, &params, &err), &err);
  assert_int_equal(list.n_classes, MOST);
  assert_int_equal(list.n_names, MOST);
  assert_int_equal(list.learned.classes[0][MOST - 1], MOST - 1);
  assert_int_equal(list.learned.classes[0][MOST], -1);
  assert_int_equal(list.learned.classes[0][MOST + 1], -1);
  gm_tune_pictures_free(&list);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(old_and_new_share_them),
                                     cmocka_unit_test(there_are_not_too_many)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
