/* test_fast.c - what the setting `fast` changes: the kernels that weights of f32 go through,
 * how far features move, the language model's cache. The goldens of f32 files show that nothing
 * moves without it (test_clip_mini, test_vision_mini). */
#include "clip_support.h"
#include "handles.h"

#include <stdlib.h>
#include <string.h>

static void kernels_of_fast(void **state) {
  (void)state;
  const gm_kernels *best = gm_kernels_best(), *fast = gm_kernels_fast();
  bool rounds = best->rounds[GM_TYPE_F16];
  assert_false(best->rounds[GM_TYPE_F32]);
  assert_int_equal(fast->rounds[GM_TYPE_F32], rounds);
  /* The features are part of every cache key: they differ if results do. */
  assert_int_equal(strcmp(best->features, fast->features) != 0, rounds);
  assert_string_equal(best->name, fast->name);
  for (int type = 0; type < GM_TYPE_COUNT; type++)
    assert_ptr_equal(best->matmul[type], fast->matmul[type]);
}

/* Features of a text and of a picture. */
static void encode(clip_fixture *f, const gm_image *image, float *out) {
  const char *text = "A wheaten terrier is a small, shaggy dog with a soft, silky coat.";
  const gm_crop whole = {0, 0, gm_image_width(image), gm_image_height(image)};
  assert_ok(gm_clip_encode_strings(&f->compute, f->model, &text, 1, out, NULL), &f->err);
  assert_ok(gm_clip_encode_crops(&f->compute, f->model, image, &whole, 1,
                                 out + f->model->features, NULL),
            &f->err);
}

/* A product of factors rounded to bf16 is off by about 2^-9 * sqrt(2 / 3) = 1.6e-3 of its size;
 * at most 4 in each of 12 blocks add up in the residual stream to 1.6e-3 * sqrt(48) = 0.011
 * where each is as large as the stream, a cosine of 1 - 0.011^2 / 2. Four times that angle. */
static void features_of_fast(void **state) {
  (void)state;
  clip_fixture f;
  clip_fixture_open(&f, GM_MODELS "/clip-mini", "f32");
  gm_image *image = test_image("photos/astronaut.png");
  size_t D = f.model->features;
  float *exact = malloc(2 * D * sizeof *exact), *fast = malloc(2 * D * sizeof *fast);
  assert_true(exact && fast);
  encode(&f, image, exact);
  f.compute.kernels = gm_kernels_fast();
  encode(&f, image, fast);
  for (size_t i = 0; i < 2; i++) {
    double cosine = 0;
    for (size_t j = i * D; j < (i + 1) * D; j++) cosine += (double)exact[j] * (double)fast[j];
    assert_true(cosine > 0.999 && cosine < 1 + 1e-6);
  }
  bool moved = memcmp(exact, fast, 2 * D * sizeof *fast) != 0;
  assert_int_equal(moved, gm_kernels_fast()->rounds[GM_TYPE_F32]);
  free(exact), free(fast);
  gm_image_free(image);
  clip_fixture_close(&f);
}

static void cache_of_fast(void **state) {
  (void)state;
  gm_error err;
  gm_model *model;
  gm_model_params params = gm_model_params_default();
  params.fast = true;
  assert_ok(gm_model_open(&model, "groma-mini", &params, &err), &err);
  assert_int_equal(model->groma->llama->head_dim % 32, 0);
  assert_int_equal(model->groma->kv_shape.k_type, GM_TYPE_Q8_0);
  assert_int_equal(model->groma->kv_shape.v_type, GM_TYPE_Q8_0);
  assert_ptr_equal(model->base.kernels, gm_kernels_fast());
  gm_model_free(model);
  params.cache_type_k = "f32"; /* a type that is given is used */
  assert_ok(gm_model_open(&model, "groma-mini", &params, &err), &err);
  assert_int_equal(model->groma->kv_shape.k_type, GM_TYPE_F32);
  assert_int_equal(model->groma->kv_shape.v_type, GM_TYPE_Q8_0);
  gm_model_free(model);
}

/* A report names the table that was timed, with any features. */
static void report_of_fast(void **state) {
  (void)state;
  gm_error err;
  gm_bench_report *report;
  const gm_kernels *kernels = gm_kernels_fast();
  gm_bench_params params = {
      .struct_size = sizeof params, .repeat = 1, .tokens = 1, .stages = "decode", .fast = true};
  assert_ok(gm_bench_model(&report, "groma-mini", &params, NULL, &err), &err);
  assert_int_equal(report->n_stages, 1);
  const char *name = bench_stage(report, 0).kernels;
  assert_non_null(strstr(name, kernels->name));
  assert_non_null(strstr(name, kernels->features));
  gm_bench_report_free(report);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kernels_of_fast),
      cmocka_unit_test(features_of_fast),
      cmocka_unit_test(cache_of_fast),
      cmocka_unit_test(report_of_fast),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
