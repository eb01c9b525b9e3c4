/* test_label_head.c - the head that says which regions have no name: its numbers by hand, what
 * it refuses, the signals of pixels and places, and how limits decide. */
#include "interface.h"
#include "support.h"

#include "label_head.h"
#include "label_signals.h"

#include <math.h>
#include <string.h>

static gm_label_head made(void) {
  gm_label_head head = {.method = "wca", .weights = "0123"};
  for (size_t i = 0; i < 2; i++) {
    gm_label_unit *unit = &head.units[i];
    unit->n = i ? GM_LABEL_SIGNALS : GM_LABEL_PLACES;
    unit->mean[GM_LABEL_BEST] = 0.5F;
    unit->scale[GM_LABEL_BEST] = 4;
    unit->weights[GM_LABEL_BEST] = 2;
    unit->bias = -0.25F;
    unit->limit = 0.375F;
  }
  return head;
}

static void a_head_is_a_logistic_function(void **state) {
  (void)state;
  const gm_label_head head = made();
  float signals[GM_LABEL_SIGNALS] = {0};
  signals[GM_LABEL_BEST] = 0.75F; /* x = 1; z = 2 - 0.25 = 1.75 */
  assert_float_equal(gm_label_present(&head.units[1], signals), 0.851952802, 1e-6);
  signals[GM_LABEL_BEST] = -100; /* x is cut to -8; z = -16.25 */
  assert_float_equal(gm_label_present(&head.units[1], signals), 8.764247e-8, 1e-12);
  signals[GM_LABEL_AROUND] = NAN;
  assert_float_equal(gm_label_present(&head.units[1], signals), 0, 0);
  signals[GM_LABEL_BEST] = 0.5F; /* the unit without regions' scores does not look at them */
  assert_float_equal(gm_label_present(&head.units[0], signals), 0.437823499, 1e-6);
}

/* ---- files ---- */

static gm_status read_back(const gm_label_head *head, gm_label_head **out, gm_error *err) {
  gm_gguf_writer *writer;
  gm_model_file *file;
  assert_ok(gm_gguf_writer_create(&writer, NULL, err), err);
  gm_gguf_put_string(writer, "general.architecture", "clip");
  gm_label_head_put(writer, head);
  assert_ok(gm_gguf_begin(writer, err), err);
  assert_ok(gm_gguf_finish_model(writer, &file, "test", err), err);
  gm_gguf_writer_free(writer);
  gm_status status = gm_label_head_read(out, file, err);
  gm_model_file_close(file);
  return status;
}

static void a_head_comes_back_as_it_was_written(void **state) {
  (void)state;
  gm_error err = {0};
  gm_label_head head = made(), *got;
  assert_ok(read_back(&head, &got, &err), &err);
  assert_memory_equal(got->units[1].weights, head.units[1].weights,
                      sizeof head.units[1].weights);
  assert_int_equal(got->units[0].n, GM_LABEL_PLACES);
  assert_float_equal(got->units[1].limit, 0.375, 0);
  assert_string_equal(got->method, "wca");
  assert_string_equal(got->weights, "0123");
  gm_label_head_free(got);
  head.units[1].n = 0; /* a head may know one of both */
  assert_ok(read_back(&head, &got, &err), &err);
  assert_int_equal(got->units[1].n, 0);
  gm_label_head_free(got);
}

static void a_damaged_head_is_refused(void **state) {
  (void)state;
  gm_error err = {0};
  for (size_t i = 0; i < 5; i++) {
    gm_label_head head = made(), *got;
    if (i == 0) head.units[0].weights[3] = NAN;
    if (i == 1) head.units[1].bias = INFINITY;
    if (i == 2) head.units[1].limit = 1.5F;
    if (i == 3) head.units[1].n = 5; /* too few signals */
    if (i == 4) head.units[0].n = head.units[1].n = 0;
    assert_int_equal(read_back(&head, &got, &err), GM_ERR_MODEL);
    assert_null(got);
    assert_non_null(strstr(err.message, "gromatic.label."));
  }
}

/* ---- signals ---- */

static void pixels_and_places_by_hand(void **state) {
  (void)state;
  enum { W = 8, H = 4 };
  uint8_t rgb[H][W][3] = {{{0}}};
  float signals[GM_LABEL_SIGNALS];
  /* The left half is a square of 4: black, with 40 in the 2 x 2 pixels of its middle. */
  for (size_t y = 1; y < 3; y++)
    for (size_t x = 1; x < 3; x++) memset(rgb[y][x], 40, 3);
  gm_image *image = NULL;
  gm_error err = {0};
  assert_ok(gm_image_from_rgb(&image, &rgb[0][0][0], W, H, &err), &err);
  gm_crop crop = {0, 0, 4, 4};
  gm_view view = {.image = image, .crops = &crop};
  const gm_box regions[] = {{0, 0, 4, 4}, {0, 0, 8, 4}, {0, 0, 2, 4}};
  const float scores[] = {0.5F, 0.75F, 0.25F};
  gm_label_place_signals(signals, &view, regions, scores, 3, 0);
  /* Mean 10, mean square 400: variance 300. Steps: 2 of 12 pairs in 2 of 4 rows: 40 * 4 / 12.
   */
  assert_float_equal(signals[GM_LABEL_COLOURS], log(1 + sqrt(300)), 1e-5);
  assert_float_equal(signals[GM_LABEL_STEPS], log(1 + 2 * 40.0 * 4 / 12), 1e-5);
  assert_float_equal(signals[GM_LABEL_CONTRAST], log(41), 1e-5);
  assert_float_equal(signals[GM_LABEL_RIM], 0, 1e-6);
  assert_float_equal(signals[GM_LABEL_AREA], log(0.5), 1e-6);
  assert_float_equal(signals[GM_LABEL_OBJECT], 0, 1e-6);
  /* Only the second region has a higher score: it is twice as large. */
  assert_float_equal(signals[GM_LABEL_OVERLAP], 0.5, 1e-6);
  assert_float_equal(signals[GM_LABEL_INSIDE], 1, 1e-6);
  assert_float_equal(signals[GM_LABEL_AROUND], 0.5, 1e-6);
  gm_label_place_signals(signals, &view, regions, NULL, 3, 0);
  for (size_t s = GM_LABEL_PLACES; s < GM_LABEL_SIGNALS; s++) assert_true(isnan(signals[s]));
  gm_image_free(image);
}

/* ---- decisions ---- */

#define SCENE GM_TEST_DATA "/world/scenes/images/000.png"

static void limits_decide_by_class(void **state) {
  (void)state;
  static const char *const names[] = {"guitar", "rabbit"};
  static const gm_box boxes[] = {{9, 167, 60, 217}, {26, 16, 79, 93}};
  gm_clip *clip = NULL;
  gm_image *image = NULL;
  gm_classes *classes = NULL;
  gm_classification *found[2], *again[2];
  gm_error err = {0};
  gm_classes_params about = gm_classes_params_default();
  gm_classify_params params = gm_classify_params_default();
  gm_request *request = NULL;
  about.method = GM_METHOD_CLIP; /* the head of clip-mini is not for it */
  about.names = names;
  about.n_names = 2;
  assert_ok(gm_clip_open(&clip, NULL, NULL, &err), &err);
  assert_ok(gm_image_open(&image, SCENE, NULL, &err), &err);
  assert_ok(gm_classes_create(&classes, clip, &about, NULL, &err), &err);
  assert_ok(gm_label_regions(clip, image, boxes, 2, classes, NULL, NULL, NULL, found, &err),
            &err);
  for (size_t i = 0; i < 2; i++) {
    assert_false(found[i]->none);
    assert_false(found[i]->calibrated);
    assert_float_equal(found[i]->present, label_at(found[i], 0).score, 0);
  }
  gm_label best = label_at(found[0], 0);
  float limits[2] = {NAN, NAN};
  params.limits = limits;
  params.min_present = 1; /* there is no head that it could be held against */
  for (size_t i = 0; i < 2; i++) {
    limits[best.class_index] = best.raw_score + (i ? -0.001F : 0.001F);
    assert_ok(
        gm_label_regions(clip, image, boxes, 1, classes, NULL, &params, NULL, again, &err),
        &err);
    assert_int_equal(again[0]->none, i == 0);
    assert_int_equal(again[0]->n_labels, 2);
    gm_classification_free(again[0]);
    /* A request has copies. */
    float given[2] = {limits[0], limits[1]};
    params.limits = given;
    assert_ok(
        gm_request_label(&request, clip, image, boxes, 1, classes, NULL, &params, NULL, &err),
        &err);
    given[0] = given[1] = i ? 1 : -1;
    assert_ok(gm_request_take_classifications((gm_request_wait(request, -1), request), again, 1,
                                              &err),
              &err);
    assert_int_equal(again[0]->none, i == 0);
    gm_classification_free(again[0]);
    gm_request_free(request);
    params.limits = limits;
  }
  for (size_t i = 0; i < 2; i++) gm_classification_free(found[i]);
  gm_classes_free(classes);
  gm_image_free(image);
  gm_clip_free(clip);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_head_is_a_logistic_function),
      cmocka_unit_test(a_head_comes_back_as_it_was_written),
      cmocka_unit_test(a_damaged_head_is_refused),
      cmocka_unit_test(pixels_and_places_by_hand),
      cmocka_unit_test(limits_decide_by_class),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
