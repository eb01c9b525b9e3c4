/* test_present.c - whether a phrase's thing is there: the estimate of a model without a head by
 * arithmetic by hand, and how it reaches answers. */
#include "scene_support.h"
#include "support.h"

#include "present.h"

#include <math.h>

enum { VOCAB = 8 };

static const gm_prompt prompt = {.region_0 = 3, .roi_end = 1};

/* e^0 and 2 e^0 for two regions, e^0 for </roi>: (1 + 2) / (1 + 2 + 1). */
static void estimate_is_the_regions_part(void **state) {
  (void)state;
  const float logits[VOCAB] = {9, 0, 9, 0, 0.693147181f, 9, 9, 9};
  assert_float_equal(gm_present_estimate(logits, &prompt, 2), 0.75, 1e-6);
  /* one region: 1 / (1 + 1) */
  assert_float_equal(gm_present_estimate(logits, &prompt, 1), 0.5, 1e-6);
  const float sure[VOCAB] = {0, -200, 0, 200};
  assert_float_equal(gm_present_estimate(sure, &prompt, 1), 1, 0);
  const float none[VOCAB] = {0, 200, 0, -200};
  assert_float_equal(gm_present_estimate(none, &prompt, 1), 0, 0);
}

static void an_estimate_is_a_number(void **state) {
  (void)state;
  const float damaged[][2] = {{NAN, 0}, {0, NAN}, {INFINITY, 0}, {0, INFINITY}, {NAN, NAN}};
  for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
    const float logits[VOCAB] = {0, damaged[i][0], 0, damaged[i][1]};
    float present = gm_present_estimate(logits, &prompt, 1);
    assert_true(present >= 0 && present <= 1);
  }
}

static void a_clip_comes_with_its_picture(void **state) {
  (void)state;
  const char *const phrases[] = {"a tree"};
  gm_model *model;
  gm_ground_result *found;
  gm_image *image, *other;
  gm_error err;
  const uint8_t pixels[3] = {0};
  assert_ok(gm_model_open(&model, NULL, NULL, &err), &err);
  gm_scene *scene = test_scene(model, "world/scenes/images/001.jpg", NULL);
  assert_ok(gm_image_open(&image, GM_TEST_DATA "/world/scenes/images/001.jpg", NULL, &err),
            &err);
  assert_ok(gm_image_from_rgb(&other, pixels, 1, 1, &err), &err);
  gm_clip *clip;
  assert_ok(gm_clip_open(&clip, NULL, NULL, &err), &err);
  const gm_ground_params wrong[] = {SIZED(gm_ground_params, .clip = clip),
                                    SIZED(gm_ground_params, .image = image),
                                    SIZED(gm_ground_params, .clip = clip, .image = other)};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_int_equal(gm_ground(scene, phrases, 1, &wrong[i], NULL, &found, &err),
                     GM_ERR_ARGUMENT);
    assert_null(found);
  }
  gm_clip_free(clip);
  gm_image_free(image);
  gm_image_free(other);
  gm_scene_free(scene);
  gm_model_free(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(estimate_is_the_regions_part),
      cmocka_unit_test(an_estimate_is_a_number),
      cmocka_unit_test(a_clip_comes_with_its_picture),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
