/* test_talks_alone.c - every logit of an answer is batch-invariant: bit-identical alone and
 * beside up to 15 others, of one scene and of several, with boxes and without, of several
 * lengths. */
#include "scene_support.h"

#include "sampler.h"

#include <stdlib.h>
#include <string.h>

enum { SCENES = 3, TALKS = 16, MOST_STEPS = 6 };

static const char *const pictures[SCENES] = {"world/scenes/images/000.png",
                                             "world/scenes/images/001.jpg",
                                             "world/scenes/images/003.png"};
static const gm_box boxes[] = {{9, 167, 60, 217}, {108, 46, 193, 124}, {30, 40, 150, 200}};

/* Questions of one scene are adjacent. The first has one row. */
static const struct question {
  size_t scene;
  const char *text;
  const gm_box *box;
} questions[TALKS] = {{0, "Dog", NULL},
                      {0, "Give me a concise description of the image.", NULL},
                      {0, "What is {1}?", &boxes[0]},
                      {0, "What is {1}?", &boxes[1]},
                      {0, "Give me a concise description of the image.", NULL},
                      {1, "What is {1}?", &boxes[0]},
                      {1, "Give me a concise description of the image.", NULL},
                      {2, "Where is the red car?", NULL},
                      {2, "Where is the red house?", NULL},
                      {2, "Where is it?", NULL},
                      {2, "What is {1}?", &boxes[2]},
                      {2, "What is {1}?", &boxes[2]},
                      {2, "Please describe {1} in details.", &boxes[1]},
                      {2, "Give me a concise description of the image.", NULL},
                      {2, "Is there a cat in the picture, and if so, where?", NULL},
                      {2, "Dog", NULL}};

static gm_model *model;
static gm_scene *scenes[SCENES];
static size_t vocab;

/* The logits of talks first .. first + n - 1. */
typedef struct steps {
  size_t first;
  size_t done[TALKS];
  float *logits; /* [TALKS][MOST_STEPS][vocab] */
} steps;

static size_t steps_of(size_t talk) {
  return 2 + talk * 3 % (MOST_STEPS - 1);
}

static gm_status take_step(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                           gm_error *err) {
  (void)err;
  steps *s = user;
  size_t talk = s->first + i, step = s->done[talk]++;
  memcpy(s->logits + (talk * MOST_STEPS + step) * vocab, logits, vocab * sizeof *logits);
  *id = (int32_t)gm_argmax(logits, vocab);
  *more = step + 1 < steps_of(talk);
  return GM_OK;
}

static void begin(gm_talk *talk, const struct question *q, size_t *index) {
  gm_error err;
  gm_rel_box *rel;
  gm_scene *scene = scenes[q->scene];
  size_t n = q->box ? 1 : 0;
  assert_ok(gm_scene_boxes_to_rel(scene, q->box, n, &rel, &err), &err);
  assert_ok(gm_talk_begin(talk, scene->encoding, rel, n, index, &err), &err);
  free(rel);
}

static void say(gm_talk *talk, const struct question *q, const size_t *index) {
  gm_error err;
  gm_question question = {0};
  const gm_prompt *prompt = talk->encoding->groma->prompt;
  assert_ok(gm_question_typed(&question, prompt, q->text, !q->box, q->box ? 1 : 0, &err), &err);
  assert_ok(gm_talk_ask(talk, &question, index, &err), &err);
  gm_question_free(&question);
}

/* Asks questions first .. first + n - 1 in one batch. */
static void ask(size_t first, size_t n, steps *out) {
  gm_error err;
  gm_talk talks[TALKS], *each[TALKS];
  size_t index[TALKS];
  bool full[TALKS];
  gm_compute *c = test_enter_scene(scenes[questions[first].scene], &err);
  out->first = first;
  for (size_t i = 0; i < n; i++) {
    each[i] = &talks[i];
    begin(each[i], &questions[first + i], &index[i]);
  }
  for (size_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && talks[end].encoding == talks[i].encoding;) end++;
    assert_ok(gm_pipeline_prepare(c, each + i, end - i), &err);
  }
  for (size_t i = 0; i < n; i++) say(each[i], &questions[first + i], &index[i]);
  assert_ok(run_talks(c, each, n, take_step, out, full), &err);
  for (size_t i = 0; i < n; i++) gm_talk_free(&talks[i]);
  test_leave_scene(scenes[questions[first].scene]);
}

static void check_batch(size_t first, size_t n, const steps *alone) {
  steps got = {.logits = calloc(TALKS * MOST_STEPS * vocab, sizeof *got.logits)};
  assert_non_null(got.logits);
  ask(first, n, &got);
  for (size_t i = first; i < first + n; i++) {
    assert_int_equal(got.done[i], steps_of(i));
    for (size_t s = 0; s < steps_of(i); s++) {
      size_t at = (i * MOST_STEPS + s) * vocab;
      if (memcmp(got.logits + at, alone->logits + at, vocab * sizeof(float)) != 0)
        fail_msg("question %zu of %zu from %zu on: other logits at step %zu", i, n, first, s);
    }
  }
  free(got.logits);
}

static void check_model(const char *type, const char *cache_type) {
  static const size_t batches[][2] = {{0, 2}, {3, 3}, {2, 5}, {7, 8}, {7, 9}, {0, 16}};
  gm_model_params params = gm_model_params_default();
  params.cache_type_k = params.cache_type_v = cache_type;
  params.no_pack = true;
  model = test_model(GM_TEST_DATA "/models/groma-mini", type, &params);
  vocab = model->groma->llama->vocab;
  for (size_t i = 0; i < SCENES; i++) scenes[i] = test_scene(model, pictures[i], NULL);
  steps alone = {.logits = calloc(TALKS * MOST_STEPS * vocab, sizeof *alone.logits)};
  assert_non_null(alone.logits);
  for (size_t i = 0; i < TALKS; i++) ask(i, 1, &alone);
  for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
    check_batch(batches[i][0], batches[i][1], &alone);
  free(alone.logits);
  for (size_t i = 0; i < SCENES; i++) gm_scene_free(scenes[i]);
  gm_model_free(model);
}

static void test_floats(void **state) {
  (void)state;
  check_model("f32", "f32");
}

static void test_blocks(void **state) {
  (void)state;
  check_model("q8_0", "q8_0");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_floats),
      cmocka_unit_test(test_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
