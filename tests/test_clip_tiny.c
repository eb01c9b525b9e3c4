/* test_clip_tiny.c - CLIP in OpenAI's and open_clip's layouts against reference runs: token
 * ids, pixels, features of both towers; and the layouts that convert distinguishes. */
#include "clip_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FEATURES "golden/clip-tiny/features"

/* The project's parity rule for features in f32. */
#define PARITY 1e-3

static void same_ids(const clip_fixture *f, golden *g, const char **texts, size_t n,
                     int32_t *ids, size_t *ends) {
  golden_array want = golden_get(g, "text_ids");
  size_t context = f->model->text.context;
  assert_int_equal(want.shape[0], n);
  assert_int_equal(want.shape[1], context);
  gm_error err;
  for (size_t i = 0; i < n; i++) {
    size_t used;
    int32_t *row = ids + i * context;
    assert_ok(gm_clip_encode_context(f->model->tokenizer, texts[i], strlen(texts[i]),
                                     GM_CLIP_AS_UPSTREAM, row, context, &used, &err),
              &err);
    assert_memory_equal(row, (const int32_t *)want.data + i * context, context * sizeof *row);
    for (ends[i] = 0; row[ends[i]] != row[used - 1];) ends[i]++;
  }
}

static void check_texts(clip_fixture *f, golden *g, const char *name) {
  json_t *meta = test_json(FEATURES ".json");
  size_t n, context = f->model->text.context, D = f->model->features;
  const char **texts = test_strings(json_object_get(meta, "texts"), &n);
  int32_t *ids = calloc(n * context, sizeof *ids);
  size_t *ends = calloc(n, sizeof *ends);
  float *out = calloc(n * D, sizeof *out);
  assert_true(ids && ends && out);
  same_ids(f, g, texts, n, ids, ends);
  assert_ok(gm_clip_text_forward(&f->compute, &f->model->text, ids, ends, n, out), &f->err);
  golden_array want = golden_get(g, name);
  assert_int_equal(want.n, n * D);
  assert_close(out, want.data, n * D, PARITY, name);
  /* Strings by themselves, except the one that upstream reads as a token. */
  for (size_t i = 0; i < n; i++) {
    if (strstr(texts[i], "<|")) continue;
    assert_ok(gm_clip_encode_strings(&f->compute, f->model, &texts[i], 1, out, NULL), &f->err);
    assert_close(out, (const float *)want.data + i * D, D, PARITY, texts[i]);
  }
  free(ids);
  free(ends);
  free(out);
  free(texts);
  json_decref(meta);
}

/* The golden has every 8th pixel of every 8th row. */
static void same_pixels(const float *pixels, size_t size, const float *want, const char *name) {
  size_t small = (size + 7) / 8;
  float *picked = malloc(3 * small * small * sizeof *picked);
  assert_non_null(picked);
  for (size_t c = 0; c < 3; c++)
    for (size_t y = 0; y < small; y++)
      for (size_t x = 0; x < small; x++)
        picked[(c * small + y) * small + x] = pixels[(c * size + 8 * y) * size + 8 * x];
  /* The same bytes and the same two roundings; only the order of operations differs. */
  assert_close(picked, want, 3 * small * small, 1e-6, name);
  free(picked);
}

static void check_images(clip_fixture *f, golden *g, const char *name) {
  json_t *meta = test_json(FEATURES ".json");
  size_t n, D = f->model->features, size = f->model->vision.image_size;
  const char **images = test_strings(json_object_get(meta, "images"), &n);
  golden_array want = golden_get(g, name), pixels = golden_get(g, "pixels");
  float *out = malloc(D * sizeof *out), *made = malloc(3 * size * size * sizeof *made);
  assert_true(out && made);
  for (size_t i = 0; i < n; i++) {
    char path[128];
    snprintf(path, sizeof path, "photos/%s", images[i]);
    gm_image *image = test_image(path);
    assert_ok(gm_pixels_centre(made, image, NULL, &f->model->hparams.resize, size,
                               &f->model->hparams.norm, NULL, &f->err),
              &f->err);
    same_pixels(made, size, (const float *)pixels.data + i * pixels.n / n, path);
    gm_crop whole = {0, 0, gm_image_width(image), gm_image_height(image)};
    assert_ok(gm_clip_encode_crops(&f->compute, f->model, image, &whole, 1, out, NULL),
              &f->err);
    assert_close(out, (const float *)want.data + i * D, D, PARITY, path);
    gm_image_free(image);
  }
  free(out);
  free(made);
  free(images);
  json_decref(meta);
}

static void check_checkpoint(const char *source, const char *texts, const char *images) {
  clip_fixture f;
  golden *g = golden_open(FEATURES ".safetensors");
  clip_fixture_open(&f, test_data(source), "f32");
  check_texts(&f, g, texts);
  check_images(&f, g, images);
  clip_fixture_close(&f);
  golden_close(g);
}

static void test_openai(void **state) {
  (void)state;
  check_checkpoint("models/clip-tiny/openai-torchscript.pt", "openai_text", "openai_image");
}

static void test_open_clip(void **state) {
  (void)state;
  check_checkpoint("models/clip-tiny-openclip", "openclip_text", "openclip_image");
}

/* ---- layouts */

static void converted_hparams(const char *source, const char *layout, gm_clip_hparams *out) {
  char path[] = "/tmp/gromatic-test-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  gm_error err;
  gm_convert_params params = {.struct_size = sizeof params, .type = "f32", .layout = layout};
  assert_ok(gm_convert(source, path, &params, NULL, &err), &err);
  gm_model_file *file;
  assert_ok(gm_model_file_open(&file, path, true, false, &err), &err);
  unlink(path);
  assert_ok(gm_clip_hparams_read(out, file, &err), &err);
  gm_model_file_close(file);
}

static void test_layout_is_told_by_the_config_unless_given(void **state) {
  (void)state;
  gm_clip_hparams h;
  const char *openai = test_data("models/clip-tiny/openai-torchscript.pt");
  const char *open_clip = test_data("models/clip-tiny-openclip");
  converted_hparams(openai, NULL, &h);
  assert_true(h.fused && h.act == GM_ACT_QUICK_GELU && h.vision_heads == 1);
  converted_hparams(open_clip, NULL, &h); /* head_width 32, text heads 2 at width 64 */
  assert_true(h.fused && h.act == GM_ACT_GELU && h.vision_heads == 2 && h.text_heads == 2);
  converted_hparams(open_clip, "openai", &h);
  assert_true(h.act == GM_ACT_QUICK_GELU && h.vision_heads == 1 && h.text_heads == 1);
  converted_hparams(openai, "open_clip", &h); /* no config file: the layout's defaults */
  assert_true(h.act == GM_ACT_GELU && h.vision_heads == 1);
  gm_error err;
  gm_convert_params params = {.struct_size = sizeof params, .layout = "keras"};
  assert_int_equal(gm_convert(openai, "/tmp/x.gguf", &params, NULL, &err), GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "keras"));
  params.layout = "openai";
  assert_int_equal(gm_convert(GM_MODELS "/clip-mini", "/tmp/x.gguf", &params, NULL, &err),
                   GM_ERR_ARGUMENT);
}

/* Unit features of a type agree with those of f32 to this cosine. f16 rounds weights to 2^-11
 * (and, where the kernels round, to bf16's 2^-8), bf16 to 2^-8, q8_0 to 1/254 of a block's
 * largest and activations alike: errors of that share, independent from weight to weight, leave
 * a cosine of about 1 - e^2, far above these bounds.
 */
static void check_type(const char *type, double least) {
  clip_fixture a, b;
  const char *source = test_data("models/clip-tiny-openclip");
  clip_fixture_open(&a, source, "f32");
  clip_fixture_open(&b, source, type);
  size_t D = a.model->features;
  float *out = malloc(2 * D * sizeof *out);
  const char *text = "A wheaten terrier is a small, shaggy dog with a soft, silky coat.";
  assert_ok(gm_clip_encode_strings(&a.compute, a.model, &text, 1, out, NULL), &a.err);
  assert_ok(gm_clip_encode_strings(&b.compute, b.model, &text, 1, out + D, NULL), &b.err);
  double cosine = 0;
  for (size_t i = 0; i < D; i++) cosine += (double)out[i] * (double)out[D + i];
  if (cosine < least) print_error("%s: cosine %.6f\n", type, cosine);
  assert_true(cosine >= least && cosine < 1 + 1e-6);
  free(out);
  clip_fixture_close(&a);
  clip_fixture_close(&b);
}

static void test_other_types_stay_near(void **state) {
  (void)state;
  check_type("f16", gm_kernels_best()->rounds[GM_TYPE_F16] ? 0.9995 : 0.99999);
  check_type("bf16", 0.9995);
  check_type("q8_0", 0.998);
  check_type("q4_k", 0.998); /* vision weights are q8_0 in every file of block types */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_openai),
      cmocka_unit_test(test_open_clip),
      cmocka_unit_test(test_layout_is_told_by_the_config_unless_given),
      cmocka_unit_test(test_other_types_stay_near),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
