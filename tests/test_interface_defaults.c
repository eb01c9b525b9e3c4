/* test_interface_defaults.c - zero means the default in every member of the params: answers are
 * bit-identical to those with the default written out. GM_NONE and negative numbers mean none,
 * off or no limit. */
#include "interface_world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- scenes ---- */

static gm_scene *scene_of(gm_scene_params params) {
  gm_error err;
  gm_scene *scene;
  params.struct_size = sizeof params;
  assert_ok(gm_scene_create(&scene, world.model, world.image, &params, NULL, &err), &err);
  return scene;
}

static void assert_same_regions(const gm_scene *a, const gm_scene *b) {
  size_t n = gm_scene_region_count(a);
  assert_true(n > 1);
  assert_int_equal(gm_scene_region_count(b), n);
  for (size_t i = 0; i < n; i++) {
    gm_region x = scene_region(a, i), y = scene_region(b, i);
    assert_memory_equal(&x, &y, sizeof x);
  }
}

static void scenes(void **state) {
  (void)state;
  gm_scene *written = scene_of(
      (gm_scene_params){.box_score_thres = 0.15f, .nms_thres = 0.6f, .max_regions = 100});
  assert_same_regions(world.scene, written);
  gm_scene_free(written);
}

/* Three boxes, two of them equal, with scores below and above the default threshold. */
static void scenes_without_thresholds(void **state) {
  (void)state;
  const gm_box boxes[] = {world_boxes[0], world_boxes[0], world_boxes[1]};
  const float scores[] = {0.9f, 0.8f, 0.01f};
  gm_scene_params params = {.regions = boxes, .region_scores = scores, .n_regions = 3};
  const struct {
    float score, nms;
    size_t left;
  } cases[] = {{0, 0, 1}, {0, -1, 2}, {-1, 0, 2}, {-1, -0.5f, 3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    params.box_score_thres = cases[i].score;
    params.nms_thres = cases[i].nms;
    gm_scene *scene = scene_of(params);
    assert_int_equal(gm_scene_region_count(scene), cases[i].left);
    gm_scene_free(scene);
  }
}

/* ---- questions ---- */

static gm_answer *caption_of(gm_ask_params params) {
  gm_error err;
  gm_answer *answer;
  params.struct_size = sizeof params;
  assert_ok(gm_caption(world.scene, &params, NULL, &answer, &err), &err);
  return answer;
}

static void assert_same_captions(gm_ask_params a, gm_ask_params b) {
  gm_answer *x = caption_of(a), *y = caption_of(b);
  assert_string_equal(x->raw, y->raw);
  assert_int_equal(x->complete, y->complete);
  gm_answer_free(x);
  gm_answer_free(y);
}

static void questions(void **state) {
  (void)state;
  const gm_ask_params drawn = {.temperature = 2, .seed = 3, .max_tokens = 30};
  gm_ask_params written = drawn;
  written.top_p = 1;
  written.top_k = 1 << 20; /* more than the number of tokens */
  assert_same_captions(drawn, written);
  written.top_k = GM_NONE;
  assert_same_captions(drawn, written);
  assert_same_captions((gm_ask_params){.max_tokens = 0}, (gm_ask_params){.max_tokens = 2000});
  assert_same_captions((gm_ask_params){.max_tokens = 0},
                       (gm_ask_params){.max_tokens = GM_NONE});
}

static gm_ground_result *trees(gm_scene *scene, gm_ground_params params) {
  gm_error err;
  gm_ground_result *found;
  const char *const phrases[] = {"a tree"};
  params.struct_size = sizeof params;
  assert_ok(gm_ground(scene, phrases, 1, &params, NULL, &found, &err), &err);
  return found;
}

static void assert_same_trees(gm_scene *scene, gm_ground_params a, gm_ground_params b,
                              size_t n) {
  gm_ground_result *x = trees(scene, a), *y = trees(scene, b);
  assert_int_equal(x->n_regions, n);
  assert_int_equal(y->n_regions, n);
  for (size_t i = 0; i < n; i++) {
    gm_region r = ground_region(x, i), s = ground_region(y, i);
    assert_memory_equal(&r, &s, sizeof r);
  }
  gm_ground_result_free(x);
  gm_ground_result_free(y);
}

static void groundings(void **state) {
  (void)state;
  gm_scene *scene = scene_of((gm_scene_params){.box_score_thres = -1}); /* with many regions */
  size_t all = gm_scene_region_count(scene);
  assert_true(all > 5);
  assert_same_trees(scene, (gm_ground_params){.max_det = 0}, (gm_ground_params){.max_det = 5},
                    5);
  assert_same_trees(scene, (gm_ground_params){.max_det = GM_NONE},
                    (gm_ground_params){.max_det = 100}, all);
  assert_same_trees(scene, (gm_ground_params){.min_score = -1},
                    (gm_ground_params){.min_score = 0}, 5);
  gm_scene_free(scene);
}

/* ---- pictures ---- */

/* The head of a PNG of 10 000 x 10 000 pixels, above the default limit, up to the name of its
 * first IDAT. */
static const unsigned char large_png[] = {
    0x89, 'P',  'N',  'G',  '\r', '\n', 0x1A, '\n', 0,    0,    0,   13,  'I', 'H',
    'D',  'R',  0,    0,    0x27, 0x10, 0,    0,    0x27, 0x10, 8,   2,   0,   0,
    0,    0x35, 0x2C, 0xF5, 0x70, 0,    0,    0,    9,    'I',  'D', 'A', 'T'};

static gm_status open_bytes(const void *bytes, size_t size, gm_image_params params) {
  gm_image *image;
  gm_error err;
  params.struct_size = sizeof params;
  gm_status status = gm_image_from_memory(&image, bytes, size, &params, &err);
  gm_image_free(image);
  return status;
}

static void pictures(void **state) {
  (void)state;
  const size_t n = sizeof large_png, limit = 64 << 20;
  const gm_image_params defaults = {0}, pixels = {.max_pixels = 64 << 20},
                        all_pixels = {.max_pixels = GM_NONE}, bytes = {.max_bytes = 64 << 20},
                        all_bytes = {.max_bytes = GM_NONE};
  assert_int_equal(open_bytes(large_png, n, defaults), GM_ERR_IMAGE_TOO_LARGE);
  assert_int_equal(open_bytes(large_png, n, pixels), GM_ERR_IMAGE_TOO_LARGE);
  assert_int_equal(open_bytes(large_png, n, all_pixels), GM_ERR_IMAGE_TRUNCATED);
  void *zeros = calloc(1, limit + 1); /* not in any format */
  assert_non_null(zeros);
  assert_int_equal(open_bytes(zeros, limit + 1, defaults), GM_ERR_IMAGE_TOO_LARGE);
  assert_int_equal(open_bytes(zeros, limit + 1, bytes), GM_ERR_IMAGE_TOO_LARGE);
  assert_int_equal(open_bytes(zeros, limit, defaults), GM_ERR_IMAGE_UNSUPPORTED);
  assert_int_equal(open_bytes(zeros, limit, bytes), GM_ERR_IMAGE_UNSUPPORTED);
  assert_int_equal(open_bytes(zeros, limit + 1, all_bytes), GM_ERR_IMAGE_UNSUPPORTED);
  free(zeros);
}

/* ---- classification ---- */

static gm_classes *classes_of(gm_method method, float text_scale, float dedup) {
  gm_error err;
  gm_classes *classes;
  const gm_classes_params params = {
      .struct_size = sizeof params,
      .method = method,
      .descriptions = "{\"tree\": [\"a tree.\", \"a tree.\", \"leaves on a stem.\"],"
                      " \"rabbit\": [\"a rabbit.\", \"long ears.\"]}",
      .text_scale = text_scale,
      .dedup = dedup};
  assert_ok(gm_classes_create(&classes, world.clip, &params, NULL, &err), &err);
  return classes;
}

static gm_view *view_of(gm_view_params params) {
  gm_error err;
  gm_view *view;
  params.struct_size = sizeof params;
  assert_ok(gm_view_create(&view, world.clip, world.image, &params, &err), &err);
  return view;
}

static void raw_scores(gm_view *view, const gm_classes *classes, gm_classify_params params,
                       float out[2]) {
  gm_error err;
  gm_classification *found;
  params.struct_size = sizeof params;
  assert_ok(gm_classify(view, classes, &params, NULL, &found, &err), &err);
  assert_int_equal(found->n_labels, 2);
  for (size_t i = 0; i < 2; i++)
    out[label_at(found, i).class_index] = label_at(found, i).raw_score;
  gm_classification_free(found);
}

static void assert_same_scores(gm_view *view, const gm_classes *a, const gm_classes *b,
                               gm_classify_params with_a, gm_classify_params with_b) {
  float x[2], y[2];
  raw_scores(view, a, with_a, x);
  raw_scores(view, b, with_b, y);
  assert_memory_equal(x, y, sizeof x);
}

static void classes(void **state) {
  (void)state;
  const gm_classify_params same = {0};
  gm_classes *zero = classes_of(GM_METHOD_WCA, 0, 0), *two = classes_of(GM_METHOD_WCA, 2, -1);
  assert_same_scores(world.view, zero, two, same, same);
  gm_classes_free(zero);
  gm_classes_free(two);
}

static void views(void **state) {
  (void)state;
  static const struct {
    gm_method method;
    float alpha;
  } cases[] = {{GM_METHOD_WCA, 0.5f}, {GM_METHOD_WCA_RELEASED, 0.1f}};
  for (size_t i = 0; i < 2; i++) {
    gm_view *zero = view_of((gm_view_params){.method = cases[i].method});
    gm_view *written = view_of((gm_view_params){.method = cases[i].method,
                                                .crops = 100,
                                                .alpha = cases[i].alpha,
                                                .beta = 0.9f,
                                                .dedup = -1});
    assert_int_equal(gm_view_crop_count(zero), 100);
    assert_int_equal(gm_view_crop_count(written), 100);
    for (size_t k = 0; k < 100; k++) {
      gm_box a = view_crop(zero, k), b = view_crop(written, k);
      assert_memory_equal(&a, &b, sizeof a);
    }
    gm_view_free(zero);
    gm_view_free(written);
  }
  gm_view *none = view_of((gm_view_params){.crops = GM_NONE});
  assert_int_equal(gm_view_crop_count(none), 0);
  gm_view_free(none);
  for (int method = GM_METHOD_CLIP; method <= GM_METHOD_CUPL; method++) {
    gm_view *whole = view_of((gm_view_params){.method = (gm_method)method});
    assert_int_equal(gm_view_crop_count(whole), 0);
    gm_view_free(whole);
  }
}

static void classification(void **state) {
  (void)state;
  gm_classes *wca = classes_of(GM_METHOD_WCA, 0, 0);
  gm_classes *released = classes_of(GM_METHOD_WCA_RELEASED, 0, 0);
  assert_same_scores(world.view, wca, wca, (gm_classify_params){0},
                     (gm_classify_params){.image_scale = 4, .stop = -1, .top = GM_NONE});
  assert_same_scores(world.view, released, released, (gm_classify_params){0},
                     (gm_classify_params){.image_scale = 4, .draws = 60, .redraws = 20});
  gm_classes_free(wca);
  gm_classes_free(released);
}

/* Negative exponents: every crop and every description weighs the same, to a rounding. */
static void equal_weights(void **state) {
  (void)state;
  gm_error err;
  gm_explanation *e;
  gm_classes *equal = classes_of(GM_METHOD_WCA, -1, 0);
  const gm_classify_params params = {.struct_size = sizeof params, .image_scale = -1};
  for (size_t c = 0; c < 2; c++) {
    assert_ok(gm_explain(world.view, equal, c, &params, NULL, &e, &err), &err);
    assert_int_equal(e->n_crops, 5);
    assert_int_equal(e->n_texts, c == 0 ? 3 : 2);
    for (size_t i = 0; i < e->n_crops; i++)
      assert_float_equal(crop_share(e, i).weight, 1.0f / 5, 0x1p-22);
    for (size_t i = 0; i < e->n_texts; i++)
      assert_float_equal(text_share(e, i).weight, 1.0f / (float)e->n_texts, 0x1p-22);
    gm_explanation_free(e);
  }
  gm_classes_free(equal);
}

/* A region's crops are fewer and larger than a picture's: docs/LABEL.md. */
static void regions(void **state) {
  (void)state;
  gm_error err;
  gm_classification *zero[2], *written[2];
  const gm_view_params view = {
      .struct_size = sizeof view, .crops = 10, .alpha = 0.7f, .beta = 1};
  assert_ok(gm_label_regions(world.clip, world.image, world_boxes, 2, world.classes, NULL, NULL,
                             NULL, zero, &err),
            &err);
  assert_ok(gm_label_regions(world.clip, world.image, world_boxes, 2, world.classes, &view,
                             NULL, NULL, written, &err),
            &err);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(zero[i]->n_crops, 10);
    assert_int_equal(written[i]->n_crops, 10);
    for (size_t k = 0; k < 2; k++) {
      gm_label a = label_at(zero[i], k), b = label_at(written[i], k);
      assert_int_equal(a.class_index, b.class_index);
      assert_memory_equal(&a.raw_score, &b.raw_score, sizeof a.raw_score);
    }
    gm_classification_free(zero[i]);
    gm_classification_free(written[i]);
  }
}

/* ---- models and conversion ---- */

static void models(void **state) {
  (void)state;
  gm_error err;
  gm_model *written;
  const gm_model_params params = {.struct_size = sizeof params,
                                  .context = 1024,       /* groma-mini's own */
                                  .cache_type_k = "f32", /* its weights are f32 */
                                  .cache_type_v = "f32"};
  assert_ok(gm_model_open(&written, GM_REFERENCE_MINI, &params, &err), &err);
  gm_model_info a = model_info(world.model), b = model_info(written);
  assert_int_equal(a.context, b.context);
  assert_string_equal(a.cache_type_k, b.cache_type_k);
  assert_string_equal(a.cache_type_v, b.cache_type_v);
  gm_model_free(written);
}

static void conversion(void **state) {
  (void)state;
  gm_error err;
  size_t n, m;
  const gm_convert_params params = {.struct_size = sizeof params, .type = "f16", .threads = 1};
  assert_ok(gm_convert(GM_MODELS "/clip-mini", world_path("zero.gguf"), NULL, NULL, &err),
            &err);
  assert_ok(gm_convert(GM_MODELS "/clip-mini", world_path("f16.gguf"), &params, NULL, &err),
            &err);
  char *zero = test_read_file(world_path("zero.gguf"), &n);
  char *written = test_read_file(world_path("f16.gguf"), &m);
  assert_int_equal(n, m);
  assert_memory_equal(zero, written, n);
  free(zero);
  free(written);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scenes),        cmocka_unit_test(scenes_without_thresholds),
      cmocka_unit_test(questions),     cmocka_unit_test(groundings),
      cmocka_unit_test(pictures),      cmocka_unit_test(classes),
      cmocka_unit_test(views),         cmocka_unit_test(classification),
      cmocka_unit_test(equal_weights), cmocka_unit_test(regions),
      cmocka_unit_test(models),        cmocka_unit_test(conversion),
  };
  return cmocka_run_group_tests(tests, interface_world_open, interface_world_close);
}
