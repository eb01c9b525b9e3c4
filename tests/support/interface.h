/* interface.h - the elements of results as values. The test fails if there is no such element.
 */
#ifndef GM_TEST_INTERFACE_H
#define GM_TEST_INTERFACE_H

#include "support.h"

#include "gromatic_tools.h"

/* A params struct; members that are not named are 0, the default. */
#define SIZED(type, ...)                                                                       \
  (type) {                                                                                     \
    .struct_size = sizeof(type), __VA_ARGS__                                                   \
  }

/* Defines NAME(owner, i): CALL's element i. */
#define GM_TEST_ELEMENT(name, element, owner, call)                                            \
  static inline element name(const owner *from, size_t i) {                                    \
    element found = {.struct_size = sizeof found};                                             \
    assert_int_equal(call(from, i, &found), GM_OK);                                            \
    return found;                                                                              \
  }

GM_TEST_ELEMENT(scene_region, gm_region, gm_scene, gm_scene_region_at)
GM_TEST_ELEMENT(answer_grounding, gm_grounding, gm_answer, gm_answer_grounding_at)
GM_TEST_ELEMENT(ground_region, gm_region, gm_ground_result, gm_ground_region_at)
GM_TEST_ELEMENT(label_at, gm_label, gm_classification, gm_label_at)
GM_TEST_ELEMENT(crop_share, gm_crop_share, gm_explanation, gm_crop_share_at)
GM_TEST_ELEMENT(text_share, gm_text_share, gm_explanation, gm_text_share_at)
GM_TEST_ELEMENT(against_text_share, gm_text_share, gm_explanation, gm_against_text_share_at)
GM_TEST_ELEMENT(inspect_key, gm_inspect_key, gm_inspection, gm_inspect_key_at)
GM_TEST_ELEMENT(inspect_tensor, gm_inspect_tensor, gm_inspection, gm_inspect_tensor_at)
GM_TEST_ELEMENT(bench_stage, gm_bench_stage, gm_bench_report, gm_bench_stage_at)

static inline gm_region answer_region(const gm_answer *answer, size_t grounding, size_t i) {
  gm_region found = {.struct_size = sizeof found};
  assert_int_equal(gm_answer_region_at(answer, grounding, i, &found), GM_OK);
  return found;
}

static inline gm_box view_crop(const gm_view *view, size_t i) {
  gm_box found;
  assert_int_equal(gm_view_crop_at(view, i, &found), GM_OK);
  return found;
}

static inline gm_model_info model_info(const gm_model *model) {
  gm_model_info info = {.struct_size = sizeof info};
  gm_error err;
  assert_ok(gm_model_get_info(model, &info, &err), &err);
  return info;
}

static inline gm_clip_info clip_info(const gm_clip *clip) {
  gm_clip_info info = {.struct_size = sizeof info};
  gm_error err;
  assert_ok(gm_clip_get_info(clip, &info, &err), &err);
  return info;
}

#endif
