/* test_label.c - naming regions: a region's answer is that of a view of it, with any other
 * regions and classes; errors; COCO's average precision by hand. */
#include "average_precision.h"
#include "interface.h"
#include "naming.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCENE GM_TEST_DATA "/world/scenes/images/000.png"

static const char *const few[] = {"guitar", "rabbit"};
static const char *const many[] = {"sun", "guitar", "dog", "rabbit", "a thing of no kind"};
static const gm_box boxes[] = {{9, 167, 60, 217}, {26, 16, 79, 93}, {0, 0, 3, 2}};
enum { N = 3 };

static gm_classes *classes_of(gm_clip *clip, const char *const *names, size_t n,
                              gm_method method) {
  gm_classes_params params = gm_classes_params_default();
  gm_classes *classes = NULL;
  gm_error err = {0};
  params.method = method;
  params.names = names;
  params.n_names = n;
  params.descriptions = "{\"guitar\": [\"a red guitar.\", \"a guitar on a white background.\"],"
                        "\"rabbit\": [], \"sun\": [\"the sun.\"], \"dog\": [\"a dog: pet.\"],"
                        "\"a thing of no kind\": []}";
  assert_int_equal(gm_classes_create(&classes, clip, &params, NULL, &err), GM_OK);
  return classes;
}

typedef struct fixture {
  gm_clip *clip;
  gm_image *image;
} fixture;

static int setup(void **state) {
  static fixture f;
  gm_error err = {0};
  assert_int_equal(gm_clip_open(&f.clip, NULL, NULL, &err), GM_OK);
  assert_int_equal(gm_image_open(&f.image, SCENE, NULL, &err), GM_OK);
  *state = &f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  gm_image_free(f->image);
  gm_clip_free(f->clip);
  return 0;
}

static void label(const fixture *f, const gm_box *regions, size_t n, const gm_classes *classes,
                  gm_classification **out) {
  gm_error err = {0};
  assert_int_equal(
      gm_label_regions(f->clip, f->image, regions, n, classes, NULL, NULL, NULL, out, &err),
      GM_OK);
}

static float raw_score(const gm_classification *c, const char *name) {
  for (size_t i = 0; i < c->n_labels; i++)
    if (strcmp(label_at(c, i).name, name) == 0) return label_at(c, i).raw_score;
  fail_msg("no class %s", name);
  return 0;
}

static void test_another_class_changes_no_raw_score(void **state) {
  const fixture *f = *state;
  const gm_method methods[] = {GM_METHOD_WCA, GM_METHOD_WCA_RELEASED, GM_METHOD_CLIP,
                               GM_METHOD_CUPL};
  for (size_t m = 0; m < 4; m++) {
    gm_classes *two = classes_of(f->clip, few, 2, methods[m]);
    gm_classes *five = classes_of(f->clip, many, 5, methods[m]);
    gm_classification *a[N], *b[N];
    label(f, boxes, N, two, a);
    label(f, boxes, N, five, b);
    for (size_t i = 0; i < N; i++) {
      assert_int_equal(a[i]->n_labels, 2);
      assert_int_equal(b[i]->n_labels, 5);
      for (size_t k = 0; k < 2; k++) { /* bit-identical: other classes have no effect */
        float of_two = raw_score(a[i], few[k]), of_five = raw_score(b[i], few[k]);
        assert_memory_equal(&of_two, &of_five, sizeof of_two);
      }
      gm_classification_free(a[i]);
      gm_classification_free(b[i]);
    }
    gm_classes_free(two);
    gm_classes_free(five);
  }
}

/* Texts of 1 to 40 words: of all lengths up to the context and beyond, alone and together. */
static void test_a_text_has_the_same_features_in_every_batch(void **state) {
  enum { TEXTS = 40 };
  const fixture *f = *state;
  char words[TEXTS * 4 + 1];
  const char *texts[TEXTS];
  size_t D = clip_info(f->clip).features;
  float *together = malloc(TEXTS * D * sizeof *together), *alone = malloc(D * sizeof *alone);
  gm_error err = {0};
  assert_true(together && alone);
  for (size_t i = 0; i < TEXTS; i++) memcpy(words + 4 * i, i % 2 ? "dog " : "sun ", 5);
  for (size_t i = 0; i < TEXTS; i++) texts[i] = words + 4 * (TEXTS - 1 - i);
  assert_int_equal(gm_clip_encode_texts(f->clip, texts, TEXTS, together, NULL, &err), GM_OK);
  for (size_t i = 0; i < TEXTS; i++) {
    assert_int_equal(gm_clip_encode_texts(f->clip, &texts[i], 1, alone, NULL, &err), GM_OK);
    assert_memory_equal(alone, together + i * D, D * sizeof *alone);
  }
  free(together);
  free(alone);
}

static void test_a_region_is_answered_as_a_view_of_it(void **state) {
  const fixture *f = *state;
  gm_classes *classes = classes_of(f->clip, many, 5, GM_METHOD_WCA);
  gm_classification *together[N], *alone = NULL;
  gm_error err = {0};
  label(f, boxes, N, classes, together);
  for (size_t i = 0; i < N; i++) {
    gm_view_params params = gm_view_params_default(GM_METHOD_WCA);
    params.crops = 10; /* as docs/LABEL.md says for regions */
    params.alpha = 0.7f;
    params.beta = 1;
    gm_view *view = NULL;
    params.part = &boxes[i];
    assert_int_equal(gm_view_create(&view, f->clip, f->image, &params, &err), GM_OK);
    assert_int_equal(gm_classify(view, classes, NULL, NULL, &alone, &err), GM_OK);
    assert_int_equal(alone->n_crops, together[i]->n_crops);
    for (size_t k = 0; k < 5; k++) {
      gm_label a = label_at(alone, k), b = label_at(together[i], k);
      assert_int_equal(a.class_index, b.class_index);
      assert_memory_equal(&a.raw_score, &b.raw_score, sizeof a.raw_score);
    }
    gm_classification_free(alone);
    gm_view_free(view);
  }
  /* annotations.json: what is in the first two boxes */
  assert_string_equal(label_at(together[0], 0).name, "guitar");
  assert_string_equal(label_at(together[1], 0).name, "rabbit");
  for (size_t i = 0; i < N; i++) gm_classification_free(together[i]);
  gm_classes_free(classes);
}

static bool at_once(void *user) {
  (void)user;
  return true;
}

static void test_failures_leave_no_results(void **state) {
  const fixture *f = *state;
  gm_classes *classes = classes_of(f->clip, few, 2, GM_METHOD_WCA);
  gm_classification *results[2] = {(void *)1, (void *)1};
  const gm_box outside[] = {{9, 167, 60, 217}, {300, 300, 400, 400}};
  const gm_callbacks stop = {.struct_size = sizeof stop, .cancelled = at_once};
  gm_error err = {0};
  assert_int_equal(
      gm_label_regions(f->clip, f->image, outside, 2, classes, NULL, NULL, NULL, results, &err),
      GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "box 2"));
  assert_null(results[0]);
  assert_null(results[1]);
  assert_int_equal(
      gm_label_regions(f->clip, f->image, boxes, 2, classes, NULL, NULL, &stop, results, &err),
      GM_ERR_CANCELLED);
  assert_null(results[0]);
  assert_int_equal(
      gm_label_regions(f->clip, f->image, NULL, 0, classes, NULL, NULL, NULL, results, &err),
      GM_OK);
  float feature[2] = {7, 7};
  assert_int_equal(gm_clip_encode_texts(f->clip, NULL, 0, feature, NULL, &err), GM_OK);
  assert_int_equal(gm_clip_encode_boxes(f->clip, f->image, boxes, 0, feature, NULL, &err),
                   GM_OK);
  assert_int_equal(gm_clip_encode_boxes(f->clip, f->image, NULL, 0, feature, NULL, &err),
                   GM_OK);
  assert_int_equal(gm_clip_encode_boxes(f->clip, f->image, NULL, 2, feature, NULL, &err),
                   GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "n = 2"));
  assert_true(feature[0] == 7 && feature[1] == 7);
  label(f, boxes, 1, classes, results); /* it answers after a failure */
  gm_classification_free(results[0]);
  gm_classes_free(classes);
}

/* A found box in a crowd (by its share inside, not by IoU) is never a mistake, however many
 * there are. A crowd itself need not be found. A thing beside a crowd is matched before it. */
static void test_crowds_are_neither_right_nor_wrong(void **state) {
  (void)state;
  const gm_box crowd = {0, 0, 100, 100}, a = {0, 0, 10, 10}, b = {20, 0, 30, 10};
  const gm_box half = {95, 0, 105, 10}, most_out = {96, 0, 106, 10};
  const ap_box truth[] = {{0, 0, crowd, 0, true}, {0, 0, a, 0, false}, {0, 1, crowd, 0, true}};
  const ap_box found[] = {{0, 0, b, 0.9, false},
                          {0, 0, half, 0.8, false},
                          {0, 0, a, 0.7, false},
                          {0, 0, most_out, 0.6, false}};
  assert_true(cli_average_precision(found, 4, truth, 3, 2, 0.5) == 1);
  const ap_box off[] = {{0, 0, most_out, 0.9, false}, {0, 0, a, 0.7, false}};
  assert_true(cli_average_precision(off, 2, truth, 3, 2, 0.5) == 0.5); /* one wrong before it */
}

/* Regions 10 wide from 0, so that heights are overlaps. Scores are region x label. */
static void test_boxes_of_one_label_are_one(void **state) {
  (void)state;
  enum { REGIONS = 8 };
  static const struct {
    gm_box box;
    float region, label;
    bool none;
    size_t class_index;
    bool left_out;
  } cases[REGIONS] = {
      {{0, 0, 10, 10}, 0.9f, 0.5f, false, 3, true},  /* 0.45: IoU 0.6 with the next */
      {{0, 0, 10, 6}, 0.6f, 0.9f, false, 3, false},  /* 0.54 */
      {{0, 0, 10, 3}, 0.2f, 0.2f, false, 3, false},  /* IoU 0.5 with the one before: not more */
      {{0, 0, 10, 10}, 0.9f, 0.4f, false, 4, false}, /* another label */
      {{0, 0, 10, 10}, 0.9f, 0.9f, true, 3, false},  /* 0.81, but no label */
      {{0, 2, 10, 12}, 0.1f, 0.1f, false, 3, false}, /* IoU 2/3 with the first, which is out */
      {{50, 0, 60, 9}, 0.3f, 0.3f, false, 3, false}, /* equal scores: the earlier one */
      {{50, 0, 60, 8}, 0.3f, 0.3f, false, 3, true},
  };
  gm_region regions[REGIONS];
  out_named labels[REGIONS];
  for (size_t i = 0; i < REGIONS; i++) {
    regions[i] =
        (gm_region){.box = cases[i].box, .score = cases[i].region, .index = (int32_t)i};
    labels[i] = (out_named){
        .best = {.class_index = cases[i].class_index, .name = "a", .score = cases[i].label},
        .none = cases[i].none};
  }
  out_naming naming = {.merge_iou = 0.5};
  bool left_out[REGIONS] = {false};
  assert_true(out_naming_merge(&naming, regions, labels, REGIONS, left_out));
  for (size_t i = 0; i < REGIONS; i++)
    if (left_out[i] != cases[i].left_out) fail_msg("region %zu", i);
  bool second[REGIONS] = {[1] = true}; /* regions that were left out have no effect */
  assert_true(out_naming_merge(&naming, regions, labels, REGIONS, second));
  assert_false(second[0]);
  assert_true(second[5]);
  naming.merge_iou = 0;
  bool none[REGIONS] = {false};
  assert_true(out_naming_merge(&naming, regions, labels, REGIONS, none));
  for (size_t i = 0; i < REGIONS; i++) assert_false(none[i]);
}

static void test_average_precision_by_hand(void **state) {
  (void)state;
  const gm_box a = {0, 0, 10, 10}, b = {20, 0, 30, 10}, off = {50, 50, 60, 60};
  const ap_box truth[] = {{0, 0, a, 0, 0}, {0, 0, b, 0, 0}, {1, 1, a, 0, 0}};
  /* class 0: right, wrong, right: precisions 1, 1/2, 2/3 at recalls 1/2, 1/2, 1. Made to fall:
   * 1 up to recall 0.5 (51 points), 2/3 for the other 50. Class 1: its only box is on another
   * picture. Class 2 has no true box and is ignored. */
  const ap_box found[] = {{0, 0, b, 0.7, 0}, {0, 2, a, 0.9, 0}, {0, 0, off, 0.8, 0},
                          {0, 0, a, 0.9, 0}, {0, 1, a, 0.9, 0}, {0, 0, a, 0.1, 0}};
  double want = ((51 + 50 * 2.0 / 3) / 101 + 0) / 2;
  assert_true(fabs(cli_average_precision(found, 6, truth, 3, 3, 0.5) - want) < 1e-12);
  assert_true(cli_average_precision(found, 0, truth, 3, 3, 0.5) == 0);
  assert_true(cli_average_precision(found, 6, truth, 0, 3, 0.5) < 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_another_class_changes_no_raw_score),
      cmocka_unit_test(test_a_text_has_the_same_features_in_every_batch),
      cmocka_unit_test(test_a_region_is_answered_as_a_view_of_it),
      cmocka_unit_test(test_failures_leave_no_results),
      cmocka_unit_test(test_crowds_are_neither_right_nor_wrong),
      cmocka_unit_test(test_boxes_of_one_label_are_one),
      cmocka_unit_test(test_average_precision_by_hand),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
