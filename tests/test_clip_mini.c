/* test_clip_mini.c - the trained CLIP in Hugging Face's layout against reference runs: ids,
 * features, one redraw of WCA, class vectors of two baselines. */
#include "clip_support.h"

#include "alignment.h"
#include "class_texts.h"
#include "classes.h"
#include "wca.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES "golden/clip-mini/features"
/* The project's rules: features to 1e-3, weights and scores to 1e-4 of the largest. */
#define PARITY 1e-3
#define SCORES 1e-4

static clip_fixture fixture;
static golden *values;
static json_t *meta;

static int open_fixtures(void **state) {
  (void)state;
  clip_fixture_open(&fixture, GM_MODELS "/clip-mini", "f32");
  values = golden_open(FEATURES ".safetensors");
  meta = test_json(FEATURES ".json");
  return 0;
}

static int close_fixtures(void **state) {
  (void)state;
  clip_fixture_close(&fixture);
  golden_close(values);
  json_decref(meta);
  return 0;
}

static void test_texts(void **state) {
  (void)state;
  size_t n, D = fixture.model->features, context = fixture.model->text.context;
  const char **texts = test_strings(json_object_get(meta, "texts"), &n);
  golden_array ids = golden_get(values, "text_ids"), want = golden_get(values, "text");
  float *out = malloc(n * D * sizeof *out);
  int32_t *row = malloc(context * sizeof *row);
  assert_true(out && row);
  assert_int_equal(context, 32);
  for (size_t i = 0; i < n; i++) {
    assert_ok(gm_clip_encode_context(fixture.model->tokenizer, texts[i], strlen(texts[i]),
                                     GM_CLIP_PLAIN, row, context, NULL, &fixture.err),
              &fixture.err);
    assert_memory_equal(row, (const int32_t *)ids.data + i * context, context * sizeof *row);
  }
  assert_ok(gm_clip_encode_strings(&fixture.compute, fixture.model, texts, n, out, NULL),
            &fixture.err);
  assert_close(out, want.data, n * D, PARITY, "text");
  free(out);
  free(row);
  free(texts);
}

static void test_images(void **state) {
  (void)state;
  size_t n, D = fixture.model->features;
  const char **images = test_strings(json_object_get(meta, "images"), &n);
  golden_array want = golden_get(values, "image");
  float *out = malloc(D * sizeof *out);
  assert_non_null(out);
  for (size_t i = 0; i < n; i++) {
    gm_image *image = test_image(images[i]);
    gm_crop whole = {0, 0, gm_image_width(image), gm_image_height(image)};
    assert_ok(
        gm_clip_encode_crops(&fixture.compute, fixture.model, image, &whole, 1, out, NULL),
        &fixture.err);
    assert_close(out, (const float *)want.data + i * D, D, PARITY, images[i]);
    gm_image_free(image);
  }
  free(out);
  free(images);
}

/* The golden's classes with a method's texts and vectors. */
static gm_classes *classes_of(gm_method method) {
  size_t n;
  const char **names = test_strings(json_object_get(meta, "wca_classes"), &n);
  char *descriptions = test_text("descriptions/world.json");
  char *templates = test_text("descriptions/world-templates.json");
  gm_classes_params p = gm_classes_params_default();
  p.method = method;
  p.names = names;
  p.n_names = n;
  p.descriptions = descriptions;
  p.templates = templates;
  p.text_scale = 2;
  gm_class_texts texts;
  gm_classes *classes;
  gm_error *err = &fixture.err;
  assert_ok(gm_class_texts_read(&texts, &p, err), err);
  assert_ok(gm_classes_begin(&classes, &p, &texts, fixture.model->features, err), err);
  assert_ok(gm_clip_encode_strings(&fixture.compute, fixture.model,
                                   (const char *const *)classes->texts.texts,
                                   classes->texts.n_texts, classes->features, NULL),
            err);
  assert_ok(gm_classes_finish(classes, &p, err), err);
  free(names);
  free(descriptions);
  free(templates);
  return classes;
}

static void test_class_vectors(void **state) {
  (void)state;
  static const struct {
    gm_method method;
    const char *name;
  } baselines[] = {{GM_METHOD_CLIP_E, "clip_e"}, {GM_METHOD_CUPL, "cupl"}};
  for (size_t i = 0; i < 2; i++) {
    gm_classes *classes = classes_of(baselines[i].method);
    golden_array want = golden_get(values, baselines[i].name);
    assert_int_equal(want.n, gm_classes_count(classes) * classes->dim);
    assert_close(classes->vectors, want.data, want.n, PARITY, baselines[i].name);
    gm_classes_free(classes);
  }
}

/* The golden's redraw: the formulas over crops[drawn], repeats counted. */
static void test_wca_of_one_redraw(void **state) {
  (void)state;
  gm_image *image = test_image(json_string_value(json_object_get(meta, "wca_image")));
  size_t n, D = fixture.model->features;
  gm_crop *crops = golden_crops(values, "wca_boxes", &n);
  golden_array drawn = golden_get(values, "drawn"),
               weights = golden_get(values, "drawn_weights");
  float *f = malloc((n + 1) * D * sizeof *f), *w = malloc(drawn.n * sizeof *w);
  uint32_t *picked = malloc(drawn.n * sizeof *picked);
  assert_true(f && w && picked);
  gm_crop whole = {0, 0, gm_image_width(image), gm_image_height(image)};
  gm_error *err = &fixture.err;
  assert_ok(gm_clip_encode_crops(&fixture.compute, fixture.model, image, &whole, 1, f, NULL),
            err);
  assert_ok(gm_clip_encode_crops(&fixture.compute, fixture.model, image, crops, n, f + D, NULL),
            err);
  assert_close(f + D, golden_get(values, "crops").data, n * D, PARITY, "crops");
  for (size_t i = 0; i < drawn.n; i++) picked[i] = (uint32_t)((const int32_t *)drawn.data)[i];
  gm_alignment_weights_of(w, f, f + D, picked, drawn.n, D, expf(4));
  assert_close(w, weights.data, drawn.n, SCORES, "drawn_weights");
  gm_classes *paper = classes_of(GM_METHOD_WCA), *released = classes_of(GM_METHOD_WCA_RELEASED);
  float scores[64], mixed[512];
  assert_true(D <= 512 && gm_classes_count(paper) <= 64);
  gm_alignment_mix(mixed, w, f + D, picked, drawn.n, D);
  gm_classes_scores(paper, mixed, scores);
  assert_close(scores, golden_get(values, "drawn_paper").data, gm_classes_count(paper), SCORES,
               "drawn_paper");
  gm_unit_rows(mixed, 1, D);
  gm_classes_scores(released, mixed, scores);
  assert_close(scores, golden_get(values, "drawn_released").data, gm_classes_count(paper),
               SCORES, "drawn_released");
  gm_classes_free(paper);
  gm_classes_free(released);
  free(f);
  free(w);
  free(picked);
  free(crops);
  gm_image_free(image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_texts),
      cmocka_unit_test(test_images),
      cmocka_unit_test(test_class_vectors),
      cmocka_unit_test(test_wca_of_one_redraw),
  };
  return cmocka_run_group_tests(tests, open_fixtures, close_fixtures);
}
