/* test_run_options.c - what a run of training computes by default and by its options, how long
 * it is, and how boxes are counted. */
#include "support.h"

#include "run_boxes.h"
#include "run_options.h"

#include <math.h>
#include <string.h>

static gm_train_params params_of(gm_train_stage stage) {
  gm_train_params p = gm_train_params_default();
  p.stage = stage;
  p.data = test_data("world/scenes/annotations.json"); /* any file */
  return p;
}

static gm_run_settings made(const gm_train_params *p) {
  gm_run_settings s;
  gm_error err;
  assert_ok(gm_run_settings_make(&s, p, &err), &err);
  return s;
}

static void defaults_are_the_papers(void **state) {
  (void)state;
  static const struct {
    double lr, decay, epochs;
    uint64_t batch, micro, chunk;
    bool learns[GM_PARTS];
  } wanted[] = {{2e-4, 1e-4, 12, 64, 8, 8, {true}},
                {1e-4, 0, 2, 128, 2, 16, {false, true, true, true}},
                {1e-5, 0, 1, 128, 16, 16, {false, true, true, true, true}}};
  for (size_t i = 0; i < 3; i++) {
    const gm_train_params p = params_of((gm_train_stage)(i + 1));
    gm_run_settings s = made(&p);
    assert_memory_equal(s.learns, wanted[i].learns, sizeof s.learns);
    for (size_t k = 0; k < GM_PARTS; k++) {
      if (!s.learns[k]) continue;
      assert_true(s.lr[k] == wanted[i].lr && s.weight_decay[k] == wanted[i].decay);
    }
    assert_true(s.epochs == wanted[i].epochs && s.clip == 1 && s.bf16);
    assert_true(s.dropout == (i == 0 ? 0.1 : 0));
    assert_int_equal(s.batch, wanted[i].batch);
    assert_int_equal(s.micro_batch, wanted[i].micro);
    assert_int_equal(s.chunk, wanted[i].chunk);
    gm_run_settings_free(&s);
  }
}

/* 118,287 pictures in chunks of 8, 12 epochs, batch 64. */
static void the_schedule_counts_what_the_sampler_drops(void **state) {
  (void)state;
  gm_train_params p = params_of(GM_TRAIN_DETECT);
  gm_run_settings s = made(&p);
  gm_run_length l = gm_run_settings_length(&s, 118287 / 8, 118287);
  assert_int_equal(l.updates, 12 * (118287 / 8) / 8);
  assert_int_equal(l.total, 12 * 118287 / 64);
  assert_int_equal(l.warmup, 100);
  assert_int_equal(l.eval_every, (l.updates + 9) / 10);
  l = gm_run_settings_length(&s, 10, 80); /* 15 updates */
  assert_int_equal(l.updates, 15);
  assert_int_equal(l.warmup, 2);
  gm_run_settings_free(&s);

  p = params_of(GM_TRAIN_ALIGN);
  p.steps = 101;
  s = made(&p);
  l = gm_run_settings_length(&s, 10, 160);
  assert_int_equal(l.updates, 101);
  assert_int_equal(l.warmup, 4); /* the ceiling of 3.03 */
  gm_run_settings_free(&s);
}

static void options_by_part(void **state) {
  (void)state;
  gm_train_params p = params_of(GM_TRAIN_INSTRUCT);
  p.lr = "3e-4,words=1e-6,regions=2e-5";
  p.weight_decay = "bridge=0.01";
  p.freeze = "embeddings";
  p.batch = 12;
  p.accumulate = 3;
  p.clip = -1;
  gm_run_settings s = made(&p);
  assert_true(s.lr[GM_PART_BRIDGE] == 3e-4 && s.lr[GM_PART_WORDS] == 1e-6);
  assert_true(s.lr[GM_PART_REGIONS] == 2e-5 && !s.learns[GM_PART_EMBEDDINGS]);
  assert_true(s.weight_decay[GM_PART_BRIDGE] == 0.01 && s.weight_decay[GM_PART_WORDS] == 0);
  assert_true(s.clip == 0);
  assert_int_equal(s.micro_batch, 4);
  assert_int_equal(s.chunk, 12); /* the largest up to 16 that divides 12 */
  gm_run_settings_free(&s);
}

/* config.json has all of it. */
static void settings_come_back(void **state) {
  (void)state;
  gm_train_params p = params_of(GM_TRAIN_ALIGN);
  gm_error err;
  p.lr = "0.1,regions=0.00000012345";
  p.ema = 1.0 / 3;
  p.warmup = 0.07;
  p.seed = 77;
  gm_run_settings s = made(&p), back;
  json_t *json = gm_run_settings_json(&s);
  char *text = json_dumps(json, JSON_REAL_PRECISION(15));
  json_t *read = json_loads(text, 0, NULL);
  assert_ok(gm_run_settings_read(&back, read, "config.json", &err), &err);
  assert_memory_equal(back.lr + GM_PART_BRIDGE, s.lr + GM_PART_BRIDGE, 3 * sizeof *s.lr);
  assert_true(back.ema == s.ema && fabs(s.ema - 1.0 / 3) < 1e-15);
  assert_true(back.warmup == 0.07 && back.seed == 77 && back.stage == GM_TRAIN_ALIGN);
  assert_string_equal(back.data, s.data);
  json_object_del(read, "batch");
  gm_run_settings_free(&back);
  assert_int_equal(gm_run_settings_read(&back, read, "config.json", &err), GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "batch"));
  gm_run_settings_free(&back);
  gm_run_settings_free(&s);
  json_decref(json);
  json_decref(read);
  free(text);
}

static void a_box_is_matched_once(void **state) {
  (void)state;
  gm_error err;
  size_t matched;
  /* IoU of the first two with the only box: 1 and 0.6 of the width, 0.6. */
  const gm_rel_box box = {0.5f, 0.5f, 0.4f, 0.4f}, part = {0.5f, 0.5f, 0.24f, 0.4f};
  const gm_rel_box found[] = {part, box}, wanted[] = {box, {0.1f, 0.1f, 0.1f, 0.1f}};
  assert_ok(gm_boxes_match(found, 2, wanted, 2, 0.5, &matched, &err), &err);
  assert_int_equal(matched, 1);
  assert_ok(gm_boxes_match(found, 1, wanted, 2, 0.65, &matched, &err), &err);
  assert_int_equal(matched, 0);
  assert_ok(gm_boxes_match(found, 2, wanted, 2, 0.65, &matched, &err), &err);
  assert_int_equal(matched, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_are_the_papers),
      cmocka_unit_test(the_schedule_counts_what_the_sampler_drops),
      cmocka_unit_test(options_by_part),
      cmocka_unit_test(settings_come_back),
      cmocka_unit_test(a_box_is_matched_once),
  };
  return cmocka_run_group_tests_name("run options", tests, NULL, NULL);
}
