/* test_scene_limits.c - what ends a question early: cancelling, in every phase; a full context;
 * wrong arguments. The scene answers the next question as if nothing had happened. */
#include "scene_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static gm_model *mini;
static golden_question caption; /* 000.png */

static int open_model(void **state) {
  (void)state;
  mini = test_model(GM_REFERENCE_MINI, NULL, NULL);
  golden_question_open(&caption, "groma-mini/caption", "world/scenes/images");
  return 0;
}

static int close_model(void **state) {
  (void)state;
  golden_question_close(&caption);
  gm_model_free(mini);
  return 0;
}

/* ---- cancelling ---- */

/* Cancels at the poll number `at` and counts the polls. */
typedef struct canceller {
  int at, polls;
  char stage[16]; /* the last one reported */
} canceller;

static bool cancelled(void *user) {
  canceller *c = user;
  return c->polls++ >= c->at;
}

static void progress(void *user, const char *stage, double done) {
  canceller *c = user;
  assert_true(done >= 0 && done <= 1);
  assert_true(strlen(stage) < sizeof c->stage);
  strcpy(c->stage, stage);
}

static gm_callbacks callbacks_of(canceller *c) {
  return SIZED(gm_callbacks, .user = c, .cancelled = cancelled, .progress = progress);
}

/* Remembers that a stage was cancelled in. */
static void note_stage(char seen[8][16], const char *stage) {
  for (int i = 0; i < 8; i++) {
    if (strcmp(seen[i], stage) == 0) return;
    if (seen[i][0]) continue;
    strcpy(seen[i], stage);
    return;
  }
}

static void assert_seen(char seen[8][16], const char *stage) {
  for (int i = 0; i < 8; i++)
    if (strcmp(seen[i], stage) == 0) return;
  fail_msg("no poll in stage %s", stage);
}

static void encoding_can_be_cancelled_everywhere(void **state) {
  (void)state;
  gm_error err;
  gm_image *image;
  char seen[8][16] = {{0}};
  assert_ok(gm_image_open(&image, test_data(caption.picture), NULL, &err), &err);
  gm_scene *scene = NULL;
  for (int at = 0; !scene; at++) {
    canceller c = {.at = at};
    gm_callbacks callbacks = callbacks_of(&c);
    gm_status status = gm_scene_create(&scene, mini, image, NULL, &callbacks, &err);
    if (status == GM_OK) break;
    assert_int_equal(status, GM_ERR_CANCELLED);
    assert_null(scene);
    assert_int_equal(c.polls, at + 1); /* the first cancellation ends it */
    note_stage(seen, c.stage);
  }
  assert_seen(seen, "image");
  assert_seen(seen, "vision");
  assert_seen(seen, "proposer");
  gm_scene_free(scene);
  gm_image_free(image);
}

/* True once the question ran to its end. */
static bool ask_until(gm_scene *scene, int at, char seen[8][16]) {
  gm_error err;
  canceller c = {.at = at};
  gm_callbacks callbacks = callbacks_of(&c);
  gm_answer *answer;
  golden_array want = golden_get(caption.values, "generated_ids");
  gm_status status = gm_caption(scene, NULL, &callbacks, &answer, &err);
  bool generating = strcmp(c.stage, "generate") == 0;
  note_stage(seen, c.stage);
  if (status != GM_OK) {
    assert_int_equal(status, GM_ERR_CANCELLED);
    assert_int_equal(c.polls, at + 1);
    assert_true(!answer || !answer->complete);
    assert_true(generating == (answer != NULL));
  }
  if (answer) {
    assert_in_range(answer->n_ids, 1, want.n);
    assert_memory_equal(answer->ids, want.data, answer->n_ids * sizeof *answer->ids);
  }
  gm_answer_free(answer);
  return status == GM_OK;
}

/* On one scene: each try reuses what the ones before had computed. */
static void questions_can_be_cancelled_everywhere(void **state) {
  (void)state;
  gm_scene *scene = test_scene(mini, caption.picture, NULL);
  char seen[8][16] = {{0}};
  for (int at = 0; !ask_until(scene, at, seen); at += at < 30 ? 1 : 13) {
  }
  assert_seen(seen, "regions");
  assert_seen(seen, "prefill");
  assert_seen(seen, "generate");
  assert_true(ask_until(scene, 1 << 30, seen)); /* and once more, undisturbed */
  gm_scene_free(scene);
}

static void a_cancelled_turn_leaves_the_conversation(void **state) {
  (void)state;
  gm_error err;
  gm_answer *answer, *first, *want_first, *want_second;
  gm_scene *scene = test_scene(mini, caption.picture, NULL);
  gm_chat *chat, *other;
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  assert_ok(gm_chat_create(&other, scene, &err), &err);
  assert_ok(gm_chat_ask(other, "Where is it?", NULL, NULL, &want_first, &err), &err);
  assert_ok(gm_chat_ask(other, "How many?", NULL, NULL, &want_second, &err), &err);
  /* before the answer begins: as if it had not been asked */
  canceller c = {.at = 0};
  gm_callbacks callbacks = callbacks_of(&c);
  assert_int_equal(gm_chat_ask(chat, "What?", NULL, &callbacks, &answer, &err),
                   GM_ERR_CANCELLED);
  assert_null(answer);
  assert_ok(gm_chat_ask(chat, "Where is it?", NULL, NULL, &first, &err), &err);
  assert_same_answer(first, want_first);
  c.polls = 0;
  assert_int_equal(gm_chat_ask(chat, "What?", NULL, &callbacks, &answer, &err),
                   GM_ERR_CANCELLED);
  gm_answer *second;
  assert_ok(gm_chat_ask(chat, "How many?", NULL, NULL, &second, &err), &err);
  assert_same_answer(second, want_second);
  gm_answer_free(first);
  gm_answer_free(second);
  gm_answer_free(want_first);
  gm_answer_free(want_second);
  gm_chat_free(chat);
  gm_chat_free(other);
  gm_scene_free(scene);
}

/* Its regions are not in later prompts either: random sampling would reveal them. */
static void a_cancelled_turn_takes_its_boxes_along(void **state) {
  (void)state;
  gm_error err;
  gm_answer *answer, *second, *want;
  const gm_box boxes[] = {{104, 134, 155, 192}, {9, 167, 60, 217}, {30, 40, 150, 200}};
  gm_ask_params draw = {
      .struct_size = sizeof draw, .max_tokens = 40, .temperature = 3, .seed = 5};
  gm_ask_params with = {.struct_size = sizeof with, .boxes = boxes, .n_boxes = 3};
  gm_scene *scene = test_scene(mini, caption.picture, NULL);
  gm_chat *chat, *other;
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  assert_ok(gm_chat_create(&other, scene, &err), &err);
  assert_ok(gm_chat_ask(other, "Where is it?", NULL, NULL, &answer, &err), &err);
  gm_answer_free(answer);
  assert_ok(gm_chat_ask(other, "How many?", &draw, NULL, &want, &err), &err);
  assert_ok(gm_chat_ask(chat, "Where is it?", NULL, NULL, &answer, &err), &err);
  gm_answer_free(answer);
  for (int at = 0; at < 4; at++) { /* while regions are encoded, and while they are read */
    canceller c = {.at = at};
    gm_callbacks callbacks = callbacks_of(&c);
    assert_int_equal(
        gm_chat_ask(chat, "What is {1}, {2}, {3}?", &with, &callbacks, &answer, &err),
        GM_ERR_CANCELLED);
    assert_null(answer);
  }
  assert_ok(gm_chat_ask(chat, "How many?", &draw, NULL, &second, &err), &err);
  assert_same_answer(second, want);
  gm_answer_free(second);
  gm_answer_free(want);
  gm_chat_free(chat);
  gm_chat_free(other);
  gm_scene_free(scene);
}

/* ---- the context ---- */

static gm_status caption_within(uint32_t context, gm_answer **answer, gm_error *err) {
  gm_model *model =
      test_model(GM_REFERENCE_MINI, NULL, &SIZED(gm_model_params, .context = context));
  gm_scene *scene = test_scene(model, caption.picture, NULL);
  gm_status status = gm_caption(scene, NULL, NULL, answer, err);
  gm_answer *again;
  assert_int_equal(gm_caption(scene, NULL, NULL, &again, NULL), status);
  if (*answer) assert_same_answer(*answer, again);
  gm_answer_free(again);
  gm_scene_free(scene);
  gm_model_free(model);
  return status;
}

static void a_full_context_keeps_the_answer_so_far(void **state) {
  (void)state;
  gm_error err;
  gm_answer *answer;
  golden_array want = golden_get(caption.values, "generated_ids");
  int32_t prompt = *(const int32_t *)golden_get(caption.values, "seq_len").data;
  /* the last id need not go into the cache: room for n - 1 is room for n */
  uint32_t enough = (uint32_t)prompt + (uint32_t)want.n - 1;
  assert_ok(caption_within(enough, &answer, &err), &err);
  assert_true(answer->complete);
  gm_answer_free(answer);
  for (uint32_t missing = 1; missing <= want.n - 1; missing += 7) {
    assert_int_equal(caption_within(enough - missing, &answer, &err), GM_ERR_CONTEXT_FULL);
    assert_non_null(answer);
    assert_false(answer->complete);
    assert_int_equal(answer->n_ids, want.n - missing);
    assert_memory_equal(answer->ids, want.data, answer->n_ids * sizeof *answer->ids);
    assert_non_null(answer->text);
    gm_answer_free(answer);
  }
  const uint32_t too_small[] = {(uint32_t)prompt - 1, 100, 1};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(caption_within(too_small[i], &answer, &err), GM_ERR_CONTEXT_FULL);
    assert_null(answer);
    assert_non_null(strstr(err.message, "context"));
  }
}

static void a_conversation_fills_its_context(void **state) {
  (void)state;
  gm_error err;
  gm_model *model =
      test_model(GM_REFERENCE_MINI, NULL, &SIZED(gm_model_params, .context = 320));
  gm_scene *scene = test_scene(model, caption.picture, NULL);
  gm_chat *chat;
  assert_ok(gm_chat_create(&chat, scene, &err), &err);
  gm_status status = GM_OK;
  int turns = 0;
  while (status == GM_OK && turns < 50) {
    gm_answer *answer;
    status = gm_chat_ask(chat, "How many animals are there?", NULL, NULL, &answer, &err);
    turns += status == GM_OK;
    gm_answer_free(answer);
  }
  assert_int_equal(status, GM_ERR_CONTEXT_FULL);
  assert_in_range(turns, 1, 20);
  gm_chat_free(chat);
  gm_scene_free(scene);
  gm_model_free(model);
}

static void an_answer_ends_at_max_tokens(void **state) {
  (void)state;
  gm_error err;
  gm_answer *answer;
  gm_scene *scene = test_scene(mini, caption.picture, NULL);
  for (uint32_t n = 1; n < 8; n += 3) {
    gm_ask_params params = {.struct_size = sizeof params, .max_tokens = n};
    assert_ok(gm_caption(scene, &params, NULL, &answer, &err), &err);
    assert_int_equal(answer->n_ids, n);
    assert_false(answer->complete);
    gm_answer_free(answer);
  }
  gm_scene_free(scene);
}

/* ---- arguments ---- */

static void wrong_boxes_are_refused(void **state) {
  (void)state;
  gm_error err;
  gm_scene *scene = test_scene(mini, caption.picture, NULL);
  const gm_box wrong[] = {
      {10, 10, 10, 20},  {20, 10, 10, 20},   {10, 20, 20, 10},      {-30, 0, -1, 10},
      {224, 0, 300, 10}, {NAN, 0, 10, 10},   {0, 0, INFINITY, 10},  {0, -INFINITY, 10, 10},
      {0, 0, 10, NAN},   {0, 300, 100, 400}, {1e30f, 0, 2e30f, 10},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    gm_answer *answer = NULL;
    assert_int_equal(gm_describe(scene, &wrong[i], 1, false, NULL, NULL, &answer, &err),
                     GM_ERR_ARGUMENT);
    assert_null(answer);
    gm_chat *chat;
    gm_ask_params params = {.struct_size = sizeof params, .boxes = &wrong[i], .n_boxes = 1};
    assert_ok(gm_chat_create(&chat, scene, &err), &err);
    assert_int_equal(gm_chat_ask(chat, "What is {1}?", &params, NULL, &answer, &err),
                     GM_ERR_ARGUMENT);
    assert_null(answer);
    gm_chat_free(chat);
  }
  /* the second of two is named; the first one's answer is not given either */
  const gm_box boxes[] = {{0, 0, 50, 50}, {5, 5, 1, 1}};
  gm_answer *answers[2];
  assert_int_equal(gm_describe(scene, boxes, 2, false, NULL, NULL, answers, &err),
                   GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "box 2"));
  assert_null(answers[0]);
  gm_scene_free(scene);
}

static void wrong_settings_are_refused(void **state) {
  (void)state;
  gm_error err;
  gm_answer *answer;
  gm_scene *scene = test_scene(mini, caption.picture, NULL);
  const gm_box box = {0, 0, 50, 50};
  gm_ask_params with_box = {.struct_size = sizeof with_box, .boxes = &box, .n_boxes = 1};
  assert_int_equal(gm_caption(scene, &with_box, NULL, &answer, &err), GM_ERR_ARGUMENT);
  gm_ask_params cold = {.struct_size = sizeof cold, .temperature = -1};
  assert_int_equal(gm_caption(scene, &cold, NULL, &answer, &err), GM_ERR_ARGUMENT);
  assert_null(answer);
  assert_int_equal(gm_describe(scene, NULL, 0, false, NULL, NULL, NULL, &err), GM_ERR_ARGUMENT);
  assert_int_equal(gm_ground(scene, NULL, 0, NULL, NULL, NULL, &err), GM_ERR_ARGUMENT);
  const char *const phrases[] = {"a tree", "  "};
  gm_ground_result *results[2];
  assert_int_equal(gm_ground(scene, phrases, 2, NULL, NULL, results, &err), GM_ERR_ARGUMENT);
  assert_null(results[0]);
  gm_scene_free(scene);

  gm_image *image;
  assert_ok(gm_image_open(&image, test_data(caption.picture), NULL, &err), &err);
  const gm_box off = {300, 300, 400, 400};
  const float nan_score = NAN;
  const gm_scene_params wrong[] = {
      SIZED(gm_scene_params, .max_regions = 101),
      SIZED(gm_scene_params, .regions = &off, .n_regions = 1),
      SIZED(gm_scene_params, .regions = &box, .n_regions = 0),
      SIZED(gm_scene_params, .regions = &box, .region_scores = &nan_score, .n_regions = 1),
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(gm_scene_create(&scene, mini, image, &wrong[i], NULL, &err),
                     GM_ERR_ARGUMENT);
    assert_null(scene);
  }
  gm_image_free(image);
}

static void wrong_models_are_refused(void **state) {
  (void)state;
  gm_error err;
  gm_model *model;
  assert_int_equal(gm_model_open(&model, "no-such-model", NULL, &err), GM_ERR_FILE_NOT_FOUND);
  assert_null(model);
  assert_int_equal(
      gm_model_open(&model, NULL, &SIZED(gm_model_params, .context = 1 << 20), &err),
      GM_ERR_ARGUMENT);
  assert_int_equal(
      gm_model_open(&model, NULL, &SIZED(gm_model_params, .cache_type_v = "q4_k"), &err),
      GM_ERR_ARGUMENT);
  assert_int_equal(gm_model_open(&model, test_data("world/README.md"), NULL, &err),
                   GM_ERR_MODEL);
  assert_null(model);
}

static void what_is_known_of_a_model(void **state) {
  (void)state;
  gm_model_info info = model_info(mini);
  assert_string_equal(info.path, GM_REFERENCE_MINI);
  assert_string_equal(info.name, "groma-mini");
  assert_string_equal(info.type, "f32");
  assert_int_equal(info.image_size, 224);
  assert_int_equal(info.max_regions, 100);
  assert_int_equal(info.context, 1024);
  gm_error err;
  char sum[65], again[65];
  assert_ok(gm_model_sha256(mini, sum, NULL, &err), &err);
  assert_ok(gm_model_sha256(mini, again, NULL, &err), &err);
  assert_int_equal(strspn(sum, "0123456789abcdef"), 64);
  assert_string_equal(sum, again);
}

/* Every stage is listed once, in order, and each question adds to its own. */
static void timings_name_the_stages(void **state) {
  (void)state;
  static const char *const stages[] = {"image",   "vision",  "proposer",
                                       "regions", "prefill", "generate"};
  gm_error err;
  gm_answer *answer;
  gm_scene *scene = test_scene(mini, caption.picture, NULL);
  gm_timing timing = {.struct_size = sizeof timing};
  assert_int_equal(gm_scene_timing_at(scene, 2, &timing), GM_OK);
  assert_int_equal(gm_scene_timing_at(scene, 3, &timing), GM_ERR_ARGUMENT);
  assert_ok(gm_caption(scene, NULL, NULL, &answer, &err), &err);
  for (size_t i = 0; i < 6; i++) {
    assert_int_equal(gm_scene_timing_at(scene, i, &timing), GM_OK);
    assert_string_equal(timing.stage, stages[i]);
    assert_true(timing.seconds > 0 && timing.seconds < 600);
  }
  assert_int_equal(gm_scene_timing_at(scene, 6, &timing), GM_ERR_ARGUMENT);
  gm_answer_free(answer);
  gm_scene_free(scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(encoding_can_be_cancelled_everywhere),
      cmocka_unit_test(questions_can_be_cancelled_everywhere),
      cmocka_unit_test(a_cancelled_turn_leaves_the_conversation),
      cmocka_unit_test(a_cancelled_turn_takes_its_boxes_along),
      cmocka_unit_test(a_full_context_keeps_the_answer_so_far),
      cmocka_unit_test(a_conversation_fills_its_context),
      cmocka_unit_test(an_answer_ends_at_max_tokens),
      cmocka_unit_test(wrong_boxes_are_refused),
      cmocka_unit_test(wrong_settings_are_refused),
      cmocka_unit_test(wrong_models_are_refused),
      cmocka_unit_test(what_is_known_of_a_model),
      cmocka_unit_test(timings_name_the_stages),
  };
  return cmocka_run_group_tests(tests, open_model, close_model);
}
