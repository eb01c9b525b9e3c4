/* test_interface.c - gromatic.h's promises about structs: struct_size 0 is refused; a struct of
 * an older header, one of a newer header without new values, and NULL are accepted; one with
 * new values is refused. The same for structs that a call fills. */
#include "interface_world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- structs that calls read ---- */

/* Defines NAME(p, err): the call with p as one of its structs. It makes *out, which is freed;
 * on failure it is NULL. */
#define MAKES(name, type, free_it, call)                                                       \
  static gm_status name(const void *p, gm_error *err) {                                        \
    type *out = (type *)&world;                                                                \
    gm_status status = call;                                                                   \
    assert_true((status == GM_OK) == (out != NULL));                                           \
    free_it(out);                                                                              \
    return status;                                                                             \
  }

/* The same for a call that makes nothing. */
#define DOES(name, call)                                                                       \
  static gm_status name(const void *p, gm_error *err) {                                        \
    return call;                                                                               \
  }

static const char *const questions[] = {"What is there?"};
static const char *const phrases[] = {"a tree"};
static gm_scene *const *scenes = &world.scene;

MAKES(model_open, gm_model, gm_model_free, gm_model_open(&out, NULL, p, err))
MAKES(image_open, gm_image, gm_image_free, gm_image_open(&out, WORLD_PICTURE, p, err))
MAKES(scene_create, gm_scene, gm_scene_free,
      gm_scene_create(&out, world.model, world.image, p, NULL, err))
MAKES(scene_create_calls, gm_scene, gm_scene_free,
      gm_scene_create(&out, world.model, world.image, NULL, p, err))
MAKES(ask, gm_answer, gm_answer_free, gm_ask(world.scene, questions, p, 1, NULL, &out, err))
MAKES(ask_calls, gm_answer, gm_answer_free,
      gm_ask(world.scene, questions, NULL, 1, p, &out, err))
MAKES(caption, gm_answer, gm_answer_free, gm_caption(world.scene, p, NULL, &out, err))
MAKES(caption_calls, gm_answer, gm_answer_free, gm_caption(world.scene, NULL, p, &out, err))
MAKES(captions, gm_answer, gm_answer_free, gm_captions(scenes, 1, p, NULL, &out, err))
MAKES(captions_calls, gm_answer, gm_answer_free, gm_captions(scenes, 1, NULL, p, &out, err))
MAKES(describe, gm_answer, gm_answer_free,
      gm_describe(world.scene, world_boxes, 1, false, p, NULL, &out, err))
MAKES(describe_calls, gm_answer, gm_answer_free,
      gm_describe(world.scene, world_boxes, 1, false, NULL, p, &out, err))
MAKES(ground, gm_ground_result, gm_ground_result_free,
      gm_ground(world.scene, phrases, 1, p, NULL, &out, err))
MAKES(ground_calls, gm_ground_result, gm_ground_result_free,
      gm_ground(world.scene, phrases, 1, NULL, p, &out, err))
MAKES(clip_open, gm_clip, gm_clip_free, gm_clip_open(&out, NULL, p, err))
MAKES(classes_create, gm_classes, gm_classes_free,
      gm_classes_create(&out, world.clip, p, NULL, err))
MAKES(view_create, gm_view, gm_view_free, gm_view_create(&out, world.clip, world.image, p, err))
MAKES(classify, gm_classification, gm_classification_free,
      gm_classify(world.view, world.classes, p, NULL, &out, err))
MAKES(classify_calls, gm_classification, gm_classification_free,
      gm_classify(world.view, world.classes, NULL, p, &out, err))
MAKES(label_view, gm_classification, gm_classification_free,
      gm_label_regions(world.clip, world.image, world_boxes, 1, world.classes, p, NULL, NULL,
                       &out, err))
MAKES(label_classify, gm_classification, gm_classification_free,
      gm_label_regions(world.clip, world.image, world_boxes, 1, world.classes, NULL, p, NULL,
                       &out, err))
MAKES(label_calls, gm_classification, gm_classification_free,
      gm_label_regions(world.clip, world.image, world_boxes, 1, world.classes, NULL, NULL, p,
                       &out, err))
MAKES(explain, gm_explanation, gm_explanation_free,
      gm_explain(world.view, world.classes, 0, p, NULL, &out, err))
MAKES(explain_calls, gm_explanation, gm_explanation_free,
      gm_explain(world.view, world.classes, 0, NULL, p, &out, err))
MAKES(explain_against, gm_explanation, gm_explanation_free,
      gm_explain_against(world.view, world.classes, 0, 1, p, NULL, &out, err))
MAKES(explain_against_calls, gm_explanation, gm_explanation_free,
      gm_explain_against(world.view, world.classes, 0, 1, NULL, p, &out, err))
MAKES(inspect_calls, gm_inspection, gm_inspection_free,
      gm_inspect(&out, "clip-mini", false, p, err))
MAKES(bench_model, gm_bench_report, gm_bench_report_free,
      gm_bench_model(&out, "groma-mini", p, NULL, err))
MAKES(bench_clip, gm_bench_report, gm_bench_report_free,
      gm_bench_clip(&out, "clip-mini", p, NULL, err))
MAKES(bench_image, gm_bench_report, gm_bench_report_free,
      gm_bench_image(&out, WORLD_PICTURE, "groma-mini", p, NULL, err))
MAKES(bench_kernels, gm_bench_report, gm_bench_report_free,
      gm_bench_kernels(&out, p, NULL, err))
DOES(draw, gm_draw(world.image, p, world_path("a.png"), err))
DOES(convert, gm_convert(GM_MODELS "/clip-mini", world_path("a.gguf"), p, NULL, err))
DOES(convert_calls, gm_convert(GM_MODELS "/clip-mini", world_path("a.gguf"), NULL, p, err))

static gm_status image_from_memory(const void *p, gm_error *err) {
  size_t size;
  void *bytes = test_read_file(WORLD_PICTURE, &size);
  gm_image *out = (gm_image *)bytes;
  gm_status status = gm_image_from_memory(&out, bytes, size, p, err);
  assert_true((status == GM_OK) == (out != NULL));
  gm_image_free(out);
  free(bytes);
  return status;
}

static gm_status chat_ask_with(const gm_ask_params *params, const gm_callbacks *callbacks,
                               gm_error *err) {
  gm_chat *chat;
  gm_answer *answer = (gm_answer *)&world;
  assert_ok(gm_chat_create(&chat, world.scene, err), err);
  gm_status status = gm_chat_ask(chat, "What is there?", params, callbacks, &answer, err);
  assert_true((status == GM_OK) == (answer != NULL));
  gm_answer_free(answer);
  gm_chat_free(chat);
  return status;
}
DOES(chat_ask, chat_ask_with(p, NULL, err))
DOES(chat_ask_calls, chat_ask_with(NULL, p, err))

static gm_status draw_to_memory(const void *p, gm_error *err) {
  void *bytes = &world;
  size_t size;
  gm_status status = gm_draw_to_memory(world.image, p, GM_FORMAT_JPEG, &bytes, &size, err);
  assert_true((status == GM_OK) == (bytes != NULL));
  gm_bytes_free(bytes);
  return status;
}

static char sum[65];
static float features[2048];
DOES(model_sha256, gm_model_sha256(world.model, sum, p, err))
DOES(clip_sha256, gm_clip_sha256(world.clip, sum, p, err))
DOES(encode_texts, gm_clip_encode_texts(world.clip, phrases, 1, features, p, err))
DOES(encode_boxes, gm_clip_encode_boxes(world.clip, world.image, NULL, 1, features, p, err))

/* Params that a call requires, or without which it would take too long. */
static const gm_classes_params needed_classes = {
    .struct_size = sizeof needed_classes,
    .method = GM_METHOD_CLIP,
    .names = phrases,
    .n_names = 1,
};
static const gm_bench_params needed_stages = {.struct_size = sizeof needed_stages,
                                              .stages = "decode"};
static const gm_bench_params needed_texts = {
    .struct_size = sizeof needed_texts, .repeat = 1, .count = 1, .stages = "texts"};

/* Which acceptable structs are tried. A benchmark measures the machine's limits, which takes a
 * second, so only one of them is run; the others' refusals come before that. */
enum { AS_IT_IS = 1, OLDER_HEADER = 2, NEWER_HEADER = 4, EVERY = 7, NOTHING_RIGHT = 0 };

typedef struct input {
  const char *call, *type;
  size_t size;        /* of the type */
  const void *needed; /* the struct to begin with; NULL: all zero */
  size_t n_needed;    /* bytes of it up to the last member that is not zero */
  unsigned tries;
  gm_status (*with)(const void *p, gm_error *err);
} input;

#define ZEROS(type, with)                                                                      \
  { #with, #type, sizeof(type), NULL, sizeof(size_t), EVERY, with }
#define NEEDS(type, before, needed, tries, with)                                               \
  { #with, #type, sizeof(type), &(needed), offsetof(type, before), tries, with }

static const input inputs[] = {
    ZEROS(gm_model_params, model_open),
    ZEROS(gm_image_params, image_open),
    ZEROS(gm_image_params, image_from_memory),
    ZEROS(gm_scene_params, scene_create),
    ZEROS(gm_ask_params, ask),
    ZEROS(gm_ask_params, caption),
    ZEROS(gm_ask_params, captions),
    ZEROS(gm_ask_params, describe),
    ZEROS(gm_ask_params, chat_ask),
    ZEROS(gm_ground_params, ground),
    ZEROS(gm_clip_params, clip_open),
    NEEDS(gm_classes_params, descriptions, needed_classes, EVERY, classes_create),
    ZEROS(gm_view_params, view_create),
    ZEROS(gm_classify_params, classify),
    ZEROS(gm_view_params, label_view),
    ZEROS(gm_classify_params, label_classify),
    ZEROS(gm_classify_params, explain),
    ZEROS(gm_classify_params, explain_against),
    ZEROS(gm_draw_params, draw),
    ZEROS(gm_draw_params, draw_to_memory),
    ZEROS(gm_convert_params, convert),
    NEEDS(gm_bench_params, cache_type_k, needed_stages, NOTHING_RIGHT, bench_model),
    NEEDS(gm_bench_params, cache_type_k, needed_texts, OLDER_HEADER, bench_clip),
    NEEDS(gm_bench_params, cache_type_k, needed_stages, NOTHING_RIGHT, bench_image),
    NEEDS(gm_bench_params, cache_type_k, needed_stages, NOTHING_RIGHT, bench_kernels),
    ZEROS(gm_callbacks, model_sha256),
    ZEROS(gm_callbacks, clip_sha256),
    ZEROS(gm_callbacks, scene_create_calls),
    ZEROS(gm_callbacks, ask_calls),
    ZEROS(gm_callbacks, caption_calls),
    ZEROS(gm_callbacks, captions_calls),
    ZEROS(gm_callbacks, describe_calls),
    ZEROS(gm_callbacks, chat_ask_calls),
    ZEROS(gm_callbacks, ground_calls),
    ZEROS(gm_callbacks, encode_texts),
    ZEROS(gm_callbacks, encode_boxes),
    ZEROS(gm_callbacks, classify_calls),
    ZEROS(gm_callbacks, label_calls),
    ZEROS(gm_callbacks, explain_calls),
    ZEROS(gm_callbacks, explain_against_calls),
    ZEROS(gm_callbacks, convert_calls),
    ZEROS(gm_callbacks, inspect_calls),
};

/* Bytes of a struct that only the library's header has: none, but in a program of an older
 * header, for which a later one may have used up to LATER of them. */
#ifdef GM_TEST_OLDER_HEADER
enum { LATER = 256 };
#else
enum { LATER = 0 };
#endif
enum { MORE = LATER + 24 }; /* bytes that a header newer than the library could add */

static void expect(const input *in, const void *p, gm_status wanted, const char *what) {
  gm_error err = {0};
  gm_status found = in->with(p, &err);
  if (found != wanted)
    fail_msg("%s with a %s that is %s: found %s (%s)", in->call, in->type, what,
             gm_status_name(found), err.message);
  if (wanted != GM_OK && !strstr(err.message, in->type))
    fail_msg("%s with a %s that is %s: said %s", in->call, in->type, what, err.message);
}

/* bytes[size + MORE] = the struct of a header with `stated` bytes: the needed members, zeros up
 * to its end, arbitrary bytes after. */
static void fill(const input *in, unsigned char *bytes, size_t stated) {
  size_t needed = in->needed ? in->n_needed : 0;
  memset(bytes, 0xA5, in->size + MORE);
  memset(bytes, 0, stated);
  if (in->needed) memcpy(bytes, in->needed, needed);
  memcpy(bytes, &stated, sizeof stated);
}

static void check_input(const input *in) {
  unsigned char *bytes = malloc(in->size + MORE);
  size_t none = 0, larger = in->size + MORE;
  assert_non_null(bytes);
  if (!in->needed) expect(in, NULL, GM_OK, "NULL");
  fill(in, bytes, in->size);
  if (in->tries & AS_IT_IS) expect(in, bytes, GM_OK, "all default");
  fill(in, bytes, in->n_needed);
  if (in->tries & OLDER_HEADER) expect(in, bytes, GM_OK, "of an older header");
  fill(in, bytes, larger);
  if (in->tries & NEWER_HEADER) expect(in, bytes, GM_OK, "of a newer header");
  bytes[in->size + LATER] = 1;
  expect(in, bytes, GM_ERR_ARGUMENT, "of a newer header, its first new byte set");
  bytes[in->size + LATER] = 0;
  bytes[larger - 1] = 0x80;
  expect(in, bytes, GM_ERR_ARGUMENT, "of a newer header, its last new byte set");
  fill(in, bytes, in->size);
  memcpy(bytes, &none, sizeof none);
  expect(in, bytes, GM_ERR_ARGUMENT, "without struct_size");
  free(bytes);
}

static void structs_that_calls_read(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) check_input(&inputs[i]);
}

/* ---- structs that calls fill ---- */

static gm_answer *answer;
static gm_ground_result *found;
static gm_classification *classification;
static gm_explanation *explanation;
static gm_inspection *inspection;
static gm_bench_report *report;

/* A CLIP that has found a truncated file in its cache. */
static gm_clip *refusing;

static void make_texts(void) {
  gm_error err = {0};
  gm_classes *made;
  char cache[64];
  snprintf(cache, sizeof cache, "%s", world_path("cache"));
  const gm_clip_params params = {.struct_size = sizeof params, .cache = cache};
  assert_ok(gm_clip_open(&refusing, NULL, &params, &err), &err);
  assert_ok(gm_classes_create(&made, refusing, &needed_classes, NULL, &err), &err);
  gm_classes_free(made);
}

static void open_refusing(void) {
  make_texts();
  gm_clip_free(refusing);
  DIR *folder = opendir(world_path("cache"));
  assert_non_null(folder);
  for (struct dirent *entry; (entry = readdir(folder));) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", world_path("cache"), entry->d_name);
    if (entry->d_name[0] != '.') assert_int_equal(truncate(path, 100), 0);
  }
  closedir(folder);
  make_texts();
}

static int open_all(void **state) {
  gm_error err = {0};
  if (interface_world_open(state) != 0) return 1;
  assert_ok(gm_caption(world.scene, NULL, NULL, &answer, &err), &err);
  assert_ok(gm_ground(world.scene, phrases, 1, NULL, NULL, &found, &err), &err);
  assert_ok(gm_classify(world.view, world.classes, NULL, NULL, &classification, &err), &err);
  assert_ok(gm_explain_against(world.view, world.classes, 0, 1, NULL, NULL, &explanation, &err),
            &err);
  assert_ok(gm_inspect(&inspection, "clip-mini", false, NULL, &err), &err);
  assert_ok(gm_bench_clip(&report, "clip-mini", &needed_texts, NULL, &err), &err);
  open_refusing();
  return 0;
}

static int close_all(void **state) {
  gm_answer_free(answer);
  gm_ground_result_free(found);
  gm_classification_free(classification);
  gm_explanation_free(explanation);
  gm_inspection_free(inspection);
  gm_bench_report_free(report);
  gm_clip_free(refusing);
  return interface_world_close(state);
}

#define FILLS(name, type, call)                                                                \
  static gm_status name(void *p, size_t i) {                                                   \
    type *out = p;                                                                             \
    (void)i;                                                                                   \
    return call;                                                                               \
  }

FILLS(get_model, gm_model_info, gm_model_get_info(world.model, out, NULL))
FILLS(get_clip, gm_clip_info, gm_clip_get_info(world.clip, out, NULL))
FILLS(get_refusal, gm_cache_refusal, gm_clip_refusal_at(refusing, i, out))
FILLS(get_limits, gm_limits, gm_bench_limits(report, out))
FILLS(get_scene_region, gm_region, gm_scene_region_at(world.scene, i, out))
FILLS(get_timing, gm_timing, gm_scene_timing_at(world.scene, i, out))
FILLS(get_grounding, gm_grounding, gm_answer_grounding_at(answer, i, out))
FILLS(get_answer_region, gm_region, gm_answer_region_at(answer, 0, i, out))
FILLS(get_ground_region, gm_region, gm_ground_region_at(found, i, out))
FILLS(get_label, gm_label, gm_label_at(classification, i, out))
FILLS(get_crop_share, gm_crop_share, gm_crop_share_at(explanation, i, out))
FILLS(get_text_share, gm_text_share, gm_text_share_at(explanation, i, out))
FILLS(get_against, gm_text_share, gm_against_text_share_at(explanation, i, out))
FILLS(get_key, gm_inspect_key, gm_inspect_key_at(inspection, i, out))
FILLS(get_tensor, gm_inspect_tensor, gm_inspect_tensor_at(inspection, i, out))
FILLS(get_stage, gm_bench_stage, gm_bench_stage_at(report, i, out))

typedef struct output {
  const char *call;
  size_t size;
  size_t n; /* elements; 0: not an array */
  gm_status (*get)(void *p, size_t i);
} output;

/* All of these structs have at least 8 bytes of members without a gap after struct_size. */
enum { OLDER = 2 * sizeof(size_t) };

static void check_output(const output *of) {
  size_t none = 0, older = OLDER, larger = of->size + MORE;
  unsigned char *whole = calloc(1, larger), *other = malloc(larger);
  assert_true(whole && other);
  memcpy(whole, &of->size, sizeof of->size);
  if (of->get(whole, 0) != GM_OK) fail_msg("%s failed", of->call);
  assert_memory_equal(whole, &of->size, sizeof of->size); /* stays as the caller set it */

  memset(other, 0xA5, larger);
  memcpy(other, &older, sizeof older);
  if (of->get(other, 0) != GM_OK) fail_msg("%s of an older header failed", of->call);
  assert_memory_equal(other + sizeof older, whole + sizeof older, OLDER - sizeof older);
  for (size_t i = OLDER; i < larger; i++) assert_int_equal(other[i], 0xA5);

  memset(other, 0, larger);
  memcpy(other, &larger, sizeof larger);
  if (of->get(other, 0) != GM_OK) fail_msg("%s of a newer header failed", of->call);
  assert_memory_equal(other, &larger, sizeof larger);
  assert_memory_equal(other + sizeof older, whole + sizeof older, OLDER - sizeof older);
  for (size_t i = of->size + LATER; i < larger; i++) assert_int_equal(other[i], 0);

  memset(other, 0xA5, larger);
  memcpy(other, &none, sizeof none);
  if (of->get(other, 0) != GM_ERR_ARGUMENT) fail_msg("%s took no struct_size", of->call);
  for (size_t i = sizeof none; i < larger; i++) assert_int_equal(other[i], 0xA5);
  if (of->get(NULL, 0) != GM_ERR_ARGUMENT) fail_msg("%s took NULL", of->call);

  const size_t no_such[] = {of->n, of->n + 1, SIZE_MAX};
  memcpy(other, &of->size, sizeof of->size);
  for (size_t k = 0; of->n > 0 && k < 3; k++) {
    if (of->get(other, no_such[k]) != GM_ERR_ARGUMENT)
      fail_msg("%s has number %zu of %zu", of->call, no_such[k], of->n);
    for (size_t i = sizeof none; i < larger; i++) assert_int_equal(other[i], 0xA5);
  }
  if (of->n > 0 && of->get(other, of->n - 1) != GM_OK) fail_msg("%s has no last", of->call);
  free(whole);
  free(other);
}

static size_t count_timings(void) {
  gm_timing timing = {.struct_size = sizeof timing};
  size_t n = 0;
  while (gm_scene_timing_at(world.scene, n, &timing) == GM_OK) n++;
  return n;
}

static void structs_that_calls_fill(void **state) {
  (void)state;
  const output outputs[] = {
      {"gm_model_get_info", sizeof(gm_model_info), 0, get_model},
      {"gm_clip_get_info", sizeof(gm_clip_info), 0, get_clip},
      {"gm_clip_refusal_at", sizeof(gm_cache_refusal), 1, get_refusal},
      {"gm_bench_limits", sizeof(gm_limits), 0, get_limits},
      {"gm_scene_region_at", sizeof(gm_region), gm_scene_region_count(world.scene),
       get_scene_region},
      {"gm_scene_timing_at", sizeof(gm_timing), count_timings(), get_timing},
      {"gm_answer_grounding_at", sizeof(gm_grounding), answer->n_groundings, get_grounding},
      {"gm_answer_region_at", sizeof(gm_region), answer_grounding(answer, 0).n_regions,
       get_answer_region},
      {"gm_ground_region_at", sizeof(gm_region), found->n_regions, get_ground_region},
      {"gm_label_at", sizeof(gm_label), classification->n_labels, get_label},
      {"gm_crop_share_at", sizeof(gm_crop_share), explanation->n_crops, get_crop_share},
      {"gm_text_share_at", sizeof(gm_text_share), explanation->n_texts, get_text_share},
      {"gm_against_text_share_at", sizeof(gm_text_share), explanation->n_against_texts,
       get_against},
      {"gm_inspect_key_at", sizeof(gm_inspect_key), inspection->n_keys, get_key},
      {"gm_inspect_tensor_at", sizeof(gm_inspect_tensor), inspection->n_tensors, get_tensor},
      {"gm_bench_stage_at", sizeof(gm_bench_stage), report->n_stages, get_stage},
  };
  for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) check_output(&outputs[i]);
}

/* Structs without struct_size, and absent elements. */
static void elements_that_do_not_exist(void **state) {
  (void)state;
  gm_box box = {1, 2, 3, 4};
  gm_region region = {.struct_size = sizeof region};
  gm_cache_refusal refusal = {.struct_size = sizeof refusal};
  int32_t regions = (int32_t)gm_scene_region_count(world.scene);
  assert_int_equal(gm_view_crop_at(world.view, 5, &box), GM_ERR_ARGUMENT);
  assert_int_equal(gm_view_crop_at(world.view, SIZE_MAX, &box), GM_ERR_ARGUMENT);
  assert_int_equal(gm_scene_region_unclipped(world.scene, -1, &box), GM_ERR_ARGUMENT);
  assert_int_equal(gm_scene_region_unclipped(world.scene, regions, &box), GM_ERR_ARGUMENT);
  assert_true(box.x1 == 1 && box.y1 == 2 && box.x2 == 3 && box.y2 == 4);
  assert_int_equal(gm_answer_region_at(answer, answer->n_groundings, 0, &region),
                   GM_ERR_ARGUMENT);
  assert_int_equal(gm_answer_region_at(answer, SIZE_MAX, 0, &region), GM_ERR_ARGUMENT);
  /* without a cache there are no refusals */
  assert_int_equal(gm_model_refusal_at(world.model, 0, &refusal), GM_ERR_ARGUMENT);
  assert_int_equal(gm_clip_refusal_at(world.clip, 0, &refusal), GM_ERR_ARGUMENT);
}

static void results_say_how_large_they_are(void **state) {
  (void)state;
  assert_in_range(answer->struct_size, sizeof *answer, sizeof *answer + LATER);
  assert_in_range(found->struct_size, sizeof *found, sizeof *found + LATER);
  assert_in_range(classification->struct_size, sizeof *classification,
                  sizeof *classification + LATER);
  assert_in_range(explanation->struct_size, sizeof *explanation, sizeof *explanation + LATER);
  assert_in_range(inspection->struct_size, sizeof *inspection, sizeof *inspection + LATER);
  assert_in_range(report->struct_size, sizeof *report, sizeof *report + LATER);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(structs_that_calls_read),
      cmocka_unit_test(structs_that_calls_fill),
      cmocka_unit_test(elements_that_do_not_exist),
      cmocka_unit_test(results_say_how_large_they_are),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
