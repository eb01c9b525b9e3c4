/* test_hostile_metadata.c - a model file whose metadata contradict its tensors or each other,
 * one key at a time: refused at open, or usable without harm. A model that opens is asked a
 * question. With a picture or context of absurd size the question is cancelled, which must
 * work. */
#include "groma_hparams.h"
#include "patched_model.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SIDE = 40, PATIENCE_MS = 400 };

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool out_of_patience(void *user) {
  return now_ms() > *(const int64_t *)user;
}

static gm_image *picture;

static int make_picture(void **state) {
  (void)state;
  static uint8_t rgb[SIDE * SIDE * 3];
  gm_error err = {0};
  for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 7);
  assert_ok(gm_image_from_rgb(&picture, rgb, SIDE, SIDE, &err), &err);
  return 0;
}

static int free_picture(void **state) {
  (void)state;
  gm_image_free(picture);
  return 0;
}

/* Checks that a call on a strange model may return this status. */
static void check_status(const char *what, gm_status status, const gm_error *err) {
  bool fine = status == GM_OK || status == GM_ERR_MODEL || status == GM_ERR_MEMORY ||
              status == GM_ERR_CANCELLED || status == GM_ERR_CONTEXT_FULL;
  if (!fine || (status != GM_OK && !err->message[0]))
    fail_msg("%s: %s: %s", what, gm_status_name(status), err->message);
}

/* Opens the model and asks; true if it opened. */
static bool try_model(const patched_model *m, const char *what) {
  gm_error err = {0};
  gm_model *model = NULL;
  gm_scene *scene = NULL;
  gm_answer *answer = NULL;
  int64_t deadline = now_ms() + PATIENCE_MS;
  gm_callbacks callbacks = {
      .struct_size = sizeof callbacks, .user = &deadline, .cancelled = out_of_patience};
  gm_ask_params ask = gm_ask_params_default();
  ask.max_tokens = 2;
  gm_status status = gm_model_open(&model, m->path, NULL, &err);
  check_status(what, status, &err);
  if (status != GM_OK) return false;
  status = gm_scene_create(&scene, model, picture, NULL, &callbacks, &err);
  check_status(what, status, &err);
  if (status == GM_OK)
    check_status(what, gm_caption(scene, &ask, &callbacks, &answer, &err), &err);
  gm_answer_free(answer);
  gm_scene_free(scene);
  gm_model_free(model);
  return true;
}

static void try_u32(patched_model *m, const char *key, uint32_t value, size_t counts[2]) {
  char what[128];
  snprintf(what, sizeof what, "%s = %u", key, value);
  memcpy(patched_model_key(m, key), &value, sizeof value);
  counts[try_model(m, what)]++;
  patched_model_reset(m);
}

static void try_f32(patched_model *m, const char *key, float value, size_t counts[2]) {
  char what[128];
  snprintf(what, sizeof what, "%s = %g", key, (double)value);
  memcpy(patched_model_key(m, key), &value, sizeof value);
  counts[try_model(m, what)]++;
  patched_model_reset(m);
}

static void test_numbers(void **state) {
  (void)state;
  patched_model m;
  size_t counts[2] = {0}; /* refused, opened */
  patched_model_open(&m);
#define X(member, key, min, max)                                                               \
  {                                                                                            \
    uint32_t is;                                                                               \
    memcpy(&is, patched_model_key(&m, key), sizeof is);                                        \
    const uint32_t values[] =                                                                  \
        {0,     1,          is - 1,    is + 1, 2 * is, is / 2, (uint32_t)(min)-1,              \
         (max), (max) + 1u, UINT32_MAX};                                                       \
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)                                \
      try_u32(&m, key, values[i], counts);                                                     \
  }
  GM_GROMA_U32_KEYS(X)
#undef X
#define X(member, key, min, max)                                                               \
  {                                                                                            \
    const float values[] = {0, (min), (max), -1, NAN, INFINITY, -INFINITY, FLT_MIN, FLT_MAX};  \
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)                                \
      try_f32(&m, key, values[i], counts);                                                     \
  }
  GM_GROMA_F32_KEYS(X)
#undef X
  print_message("%zu changes refused, %zu opened\n", counts[0], counts[1]);
  assert_true(counts[0] > 0 && counts[1] > 0);
  patched_model_close(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers)};
  return cmocka_run_group_tests(tests, make_picture, free_picture);
}
