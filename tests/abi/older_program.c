/* older_program.c - a program made with an older header, whose structs lack their last members
 * (tests/abi/CMakeLists.txt cuts them), run with the current libraries. Its structs lie before
 * an inaccessible page, so that a library that reads beyond them crashes. */
#include "support.h"

#include "gromatic_tools.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PICTURE GM_TEST_DATA "/world/scenes/images/000.png"

static gm_error err;
static gm_model *model;
static gm_image *image;
static gm_scene *scene;

/* Zeroed memory that ends at the inaccessible page, with struct_size set. */
static void *at_the_edge(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  unsigned char *pages =
      mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(pages != MAP_FAILED && size <= page);
  assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
  memcpy(pages + page - size, &size, sizeof size);
  return pages + page - size;
}

static void free_edge(void *memory, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  munmap((unsigned char *)memory + size - page, 2 * page);
}

#define EDGE(type, name) type *name = at_the_edge(sizeof *name)
#define FREE_EDGE(name) free_edge(name, sizeof *(name))

static int set_up(void **state) {
  (void)state;
  EDGE(gm_model_params, params);
  params->context = 512;
  assert_ok(gm_model_open(&model, NULL, params, &err), &err);
  FREE_EDGE(params);
  assert_ok(gm_image_open(&image, PICTURE, NULL, &err), &err);
  EDGE(gm_scene_params, scene_params);
  scene_params->max_regions = 2;
  assert_ok(gm_scene_create(&scene, model, image, scene_params, NULL, &err), &err);
  FREE_EDGE(scene_params);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  gm_scene_free(scene);
  gm_image_free(image);
  gm_model_free(model);
  return 0;
}

static void model_of_an_older_program(void **state) {
  (void)state;
  EDGE(gm_model_info, info);
  assert_ok(gm_model_get_info(model, info, &err), &err);
  assert_int_equal(info->struct_size, sizeof *info);
  assert_string_equal(info->name, "groma-mini");
  assert_int_equal(info->context, 512); /* as in set_up's params, whose last member it is */
  FREE_EDGE(info);
}

static void scene_of_an_older_program(void **state) {
  (void)state;
  assert_int_equal(gm_scene_region_count(scene), 2);
  EDGE(gm_region, region);
  assert_int_equal(gm_scene_region_at(scene, 1, region), GM_OK);
  assert_true(region->score > 0 && region->box.x2 > region->box.x1);
  FREE_EDGE(region);
}

static void count(void *user, const char *stage, double done) {
  (void)stage;
  (void)done;
  ++*(size_t *)user;
}

static void questions_of_an_older_program(void **state) {
  (void)state;
  const char *const caption = "Give me a concise description of the image.";
  const char *const questions[] = {caption, caption};
  gm_answer *answers[2];
  size_t reports = 0;
  gm_ask_params *params = at_the_edge(2 * sizeof *params);
  params[0].struct_size = params[1].struct_size = sizeof *params;
  params[0].max_tokens = 3;
  params[1].max_tokens = 5;
  EDGE(gm_callbacks, callbacks);
  callbacks->progress = count;
  callbacks->user = &reports;
  assert_ok(gm_ask(scene, questions, params, 2, callbacks, answers, &err), &err);
  assert_int_equal(answers[0]->n_ids, 3);
  assert_int_equal(answers[1]->n_ids, 5);
  assert_true(reports > 0);
  for (size_t i = 0; i < 2; i++) gm_answer_free(answers[i]);
  free_edge(params, 2 * sizeof *params);
  FREE_EDGE(callbacks);
}

static void phrases_of_an_older_program(void **state) {
  (void)state;
  const char *const phrases[] = {"a tree"};
  gm_ground_result *found;
  EDGE(gm_ground_params, params);
  params->max_det = 1;
  assert_ok(gm_ground(scene, phrases, 1, params, NULL, &found, &err), &err);
  assert_int_equal(found->n_regions, 1);
  gm_ground_result_free(found);
  FREE_EDGE(params);
}

static void classes_of_an_older_program(void **state) {
  (void)state;
  const char *const names[] = {"tree", "rabbit", "car"};
  gm_clip *clip;
  gm_classes *classes;
  gm_view *view;
  gm_classification *found;
  assert_ok(gm_clip_open(&clip, NULL, NULL, &err), &err);
  EDGE(gm_classes_params, params);
  params->method = GM_METHOD_CLIP;
  params->names = names;
  params->n_names = 3;
  assert_ok(gm_classes_create(&classes, clip, params, NULL, &err), &err);
  EDGE(gm_view_params, view_params);
  view_params->method = GM_METHOD_WCA;
  view_params->crops = 3;
  assert_ok(gm_view_create(&view, clip, image, view_params, &err), &err);
  assert_int_equal(gm_view_crop_count(view), 3);
  assert_ok(gm_classify(view, classes, NULL, NULL, &found, &err), &err);
  assert_int_equal(found->n_labels, 3);
  EDGE(gm_label, label);
  float sum = 0;
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(gm_label_at(found, i, label), GM_OK);
    assert_string_equal(label->name, names[label->class_index]);
    sum += label->score;
  }
  assert_float_equal(sum, 1, 1e-5);
  gm_classification_free(found);
  gm_view_free(view);
  gm_classes_free(classes);
  gm_clip_free(clip);
  FREE_EDGE(params);
  FREE_EDGE(view_params);
  FREE_EDGE(label);
}

static void drawing_of_an_older_program(void **state) {
  (void)state;
  void *whole, *bytes;
  size_t whole_size, size;
  gm_mark *marks = at_the_edge(2 * sizeof *marks);
  for (size_t i = 0; i < 2; i++) {
    marks[i].struct_size = sizeof *marks;
    marks[i].box = (gm_box){10.0f + 50.0f * (float)i, 10, 50.0f + 50.0f * (float)i, 60};
    marks[i].label = i == 0 ? "first" : "second";
  }
  EDGE(gm_draw_params, params);
  assert_ok(gm_draw_to_memory(image, params, GM_FORMAT_PNG, &whole, &whole_size, &err), &err);
  params->marks = marks;
  params->n_marks = 2;
  assert_ok(gm_draw_to_memory(image, params, GM_FORMAT_PNG, &bytes, &size, &err), &err);
  assert_true(size != whole_size || memcmp(bytes, whole, size) != 0);
  gm_bytes_free(whole);
  gm_bytes_free(bytes);
  free_edge(marks, 2 * sizeof *marks);
  FREE_EDGE(params);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(model_of_an_older_program),
      cmocka_unit_test(scene_of_an_older_program),
      cmocka_unit_test(questions_of_an_older_program),
      cmocka_unit_test(phrases_of_an_older_program),
      cmocka_unit_test(classes_of_an_older_program),
      cmocka_unit_test(drawing_of_an_older_program),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
