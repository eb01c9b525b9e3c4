/* test_hostile_weights.c - a model file with the right names and shapes but hostile numbers:
 * NaN, infinity, huge, zero, random bits, in all tensors and in one stage at a time. Answers
 * are then worthless, but every call returns, and no computed index leaves its array (the debug
 * build's sanitizers check). */
#include "interface.h"
#include "patched_model.h"
#include "rng.h"
#include "types.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 40, MAX_TOKENS = 3 };

typedef enum poison { NANS, INFINITIES, HUGES, ZEROS, RANDOM_BITS } poison;

static float poison_value(poison p, size_t i) {
  const float values[] = {[NANS] = NAN,
                          [INFINITIES] = i % 2 ? INFINITY : -INFINITY,
                          [HUGES] = i % 3 ? 3e38f : -3e38f,
                          [ZEROS] = 0};
  return values[p];
}

static void poison_tensor(unsigned char *to, const gm_tensor *t, poison p, gm_rng *rng) {
  const gm_type_traits *traits = gm_type_traits_of(t->type);
  size_t rows = gm_tensor_rows(t), cols = gm_tensor_cols(t), n = rows * cols;
  if (p == RANDOM_BITS || traits->block > 1) {
    for (size_t i = 0; i < rows * t->row_bytes; i++) to[i] = (unsigned char)gm_rng_u64(rng);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    float value = poison_value(p, i);
    uint16_t half = t->type == GM_TYPE_F16 ? gm_f32_to_f16(value) : gm_f32_to_bf16(value);
    if (t->type == GM_TYPE_F32)
      memcpy(to + 4 * i, &value, 4);
    else
      memcpy(to + 2 * i, &half, 2);
  }
}

/* Every tensor whose name begins so. */
static size_t poison_model(patched_model *m, const char *prefix, poison p) {
  gm_rng rng = {(uint64_t)p + 1};
  size_t poisoned = 0;
  patched_model_reset(m);
  for (size_t i = 0; i < gm_model_file_n_tensors(m->file); i++) {
    const char *name;
    const gm_tensor *t = gm_model_file_tensor_at(m->file, i, &name);
    if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
    poison_tensor(patched_model_tensor(m, t), t, p, &rng);
    poisoned++;
  }
  return poisoned;
}

/* ---- every kind of question */

static gm_image *test_picture(void) {
  static uint8_t rgb[SIDE * SIDE * 3];
  gm_error err = {0};
  gm_image *image;
  for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 7);
  assert_ok(gm_image_from_rgb(&image, rgb, SIDE, SIDE, &err), &err);
  return image;
}

/* A call may fail because of useless numbers, but for no other reason. */
static bool answered(gm_status status, const gm_error *err) {
  if (status != GM_OK && (status != GM_ERR_MODEL || !err->message[0])) assert_ok(status, err);
  return status == GM_OK;
}

static void ask_all(gm_scene *scene) {
  gm_error err = {0};
  gm_ask_params ask = gm_ask_params_default();
  ask.max_tokens = MAX_TOKENS;
  gm_answer *answer = NULL;
  for (size_t i = 0; i < gm_scene_region_count(scene); i++)
    assert_true(scene_region(scene, i).index >= 0);
  if (answered(gm_caption(scene, &ask, NULL, &answer, &err), &err)) gm_answer_free(answer);
  ask.temperature = 1;
  ask.top_k = 40;
  ask.top_p = 0.9f;
  ask.seed = 1;
  if (answered(gm_caption(scene, &ask, NULL, &answer, &err), &err)) gm_answer_free(answer);
  ask = SIZED(gm_ask_params, .max_tokens = MAX_TOKENS);
  const gm_box box = {3, 4, 20, 30};
  if (answered(gm_describe(scene, &box, 1, false, &ask, NULL, &answer, &err), &err))
    gm_answer_free(answer);
  for (int all = 0; all < 2; all++) {
    gm_ground_params ground = gm_ground_params_default();
    ground.all = all;
    const char *phrase = "a red ball";
    gm_ground_result *result;
    if (!answered(gm_ground(scene, &phrase, 1, &ground, NULL, &result, &err), &err)) continue;
    for (size_t i = 0; i < result->n_regions; i++)
      assert_true(ground_region(result, i).index >= 0);
    gm_ground_result_free(result);
  }
}

static void run(patched_model *m, const char *what) {
  gm_error err = {0};
  gm_model *model = NULL;
  gm_scene *scene = NULL;
  gm_image *image = test_picture();
  print_message("%s\n", what);
  assert_ok(gm_model_open(&model, m->path, NULL, &err), &err);
  if (answered(gm_scene_create(&scene, model, image, NULL, NULL, &err), &err)) ask_all(scene);
  gm_scene_free(scene);
  gm_model_free(model);
  gm_image_free(image);
}

static void test_hostile_weights(void **state) {
  (void)state;
  static const struct {
    const char *prefix;
    poison poison;
  } cases[] = {
      {"", NANS},
      {"", INFINITIES},
      {"", HUGES},
      {"", ZEROS},
      {"", RANDOM_BITS},
      {"perceiver.vis_encoder", RANDOM_BITS},
      {"perceiver.ddetr_transformer.encoder", RANDOM_BITS},
      {"perceiver.ddetr_transformer.decoder", NANS},
      {"perceiver.ddetr_transformer.decoder", HUGES},
      {"perceiver.ddetr_transformer.decoder", RANDOM_BITS},
      {"region_encoder", RANDOM_BITS},
      {"img_txt_bridge", INFINITIES},
      {"llm.", NANS},
      {"llm.", RANDOM_BITS},
      {"extra_lm_head", RANDOM_BITS},
  };
  static const char *const names[] = {[NANS] = "NaN",
                                      [INFINITIES] = "infinity",
                                      [HUGES] = "3e38",
                                      [ZEROS] = "zero",
                                      [RANDOM_BITS] = "random bits"};
  patched_model m;
  patched_model_open(&m);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char what[128];
    assert_true(poison_model(&m, cases[i].prefix, cases[i].poison) > 0);
    snprintf(what, sizeof what, "%s in %s*", names[cases[i].poison], cases[i].prefix);
    run(&m, what);
  }
  patched_model_close(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_weights)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
