/* test_interface_arrays.c - arrays of structs that can grow are walked by the first element's
 * size; and the other promises of gromatic.h: names of statuses, versions, object lifetimes,
 * sums that can be cancelled, _free calls that accept NULL. */
#include "interface_world.h"

#include <stdlib.h>
#include <string.h>

/* ---- arrays ---- */

enum { N = 3 };

static const char *const questions[N] = {"What is there?", "How many trees are there?",
                                         "Give me a concise description of the image."};

static gm_status ask(const void *params, gm_answer **answers, gm_error *err) {
  return gm_ask(world.scene, questions, params, N, NULL, answers, err);
}

static void assert_same_answers(gm_answer *const *a, gm_answer **b) {
  for (size_t i = 0; i < N; i++) {
    assert_string_equal(a[i]->raw, b[i]->raw);
    gm_answer_free(b[i]);
  }
}

static void params_of_questions(void **state) {
  (void)state;
  gm_error err = {0};
  gm_answer *want[N], *answers[N];
  gm_ask_params same[N] = {{0}};
  struct {
    gm_ask_params params;
    uint64_t more[3];
  } newer[N] = {0};
  struct {
    size_t struct_size;
    uint32_t max_tokens;
  } older[N] = {{0}};
  for (uint32_t i = 0; i < N; i++) {
    same[i] = SIZED(gm_ask_params, .max_tokens = 1 + i);
    newer[i].params = same[i];
    newer[i].params.struct_size = sizeof newer[i];
    older[i].struct_size = sizeof older[i];
    older[i].max_tokens = same[i].max_tokens;
  }
  assert_ok(ask(same, want, &err), &err);
  for (size_t i = 0; i < N; i++) assert_int_equal(want[i]->n_ids, 1 + i);
  assert_ok(ask(newer, answers, &err), &err);
  assert_same_answers(want, answers);
  assert_ok(ask(older, answers, &err), &err);
  assert_same_answers(want, answers);
  newer[N - 1].more[2] = 1;
  assert_int_equal(ask(newer, answers, &err), GM_ERR_ARGUMENT);
  for (size_t i = 0; i < N; i++) assert_null(answers[i]);
  same[0].struct_size = 0;
  assert_int_equal(ask(same, answers, &err), GM_ERR_ARGUMENT);
  for (size_t i = 0; i < N; i++) {
    assert_null(answers[i]);
    gm_answer_free(want[i]);
  }
}

static void *drawn(const void *marks, const void *spans, size_t *size) {
  gm_error err = {0};
  void *bytes;
  const gm_draw_params params = {.struct_size = sizeof params,
                                 .marks = marks,
                                 .n_marks = N,
                                 .caption = "A tree, a rabbit and a guitar.",
                                 .spans = spans,
                                 .n_spans = N};
  assert_ok(gm_draw_to_memory(world.image, &params, GM_FORMAT_PNG, &bytes, size, &err), &err);
  return bytes;
}

static void marks_and_spans(void **state) {
  (void)state;
  gm_mark marks[N];
  gm_span_colour spans[N];
  struct {
    gm_mark mark;
    uint64_t more[2];
  } newer_marks[N] = {0};
  struct {
    gm_span_colour span;
    uint64_t more;
  } newer_spans[N] = {0};
  for (int i = 0; i < N; i++) {
    float at = (float)(20 + 60 * i);
    marks[i] = SIZED(gm_mark, .box = {at, at, at + 50, at + 40}, .label = "a", .colour = i);
    spans[i] =
        SIZED(gm_span_colour, .begin = (size_t)i * 7, .end = (size_t)i * 7 + 5, .colour = i);
    newer_marks[i].mark = marks[i];
    newer_marks[i].mark.struct_size = sizeof newer_marks[i];
    newer_spans[i].span = spans[i];
    newer_spans[i].span.struct_size = sizeof newer_spans[i];
  }
  size_t n, m;
  void *want = drawn(marks, spans, &n), *got = drawn(newer_marks, newer_spans, &m);
  assert_int_equal(n, m);
  assert_memory_equal(want, got, n);
  gm_bytes_free(want);
  gm_bytes_free(got);
  gm_error err = {0};
  const gm_draw_params params = {
      .struct_size = sizeof params, .marks = &newer_marks[0].mark, .n_marks = N};
  newer_marks[1].more[0] = 1;
  assert_int_equal(gm_draw_to_memory(world.image, &params, GM_FORMAT_PNG, &got, &m, &err),
                   GM_ERR_ARGUMENT);
  assert_null(got);
}

/* ---- drawings ---- */

static void drawings_in_memory_are_those_of_files(void **state) {
  (void)state;
  static const char *const names[] = {[GM_FORMAT_PNG] = "a.png", [GM_FORMAT_JPEG] = "a.jpg"};
  gm_error err = {0};
  for (int format = GM_FORMAT_PNG; format <= GM_FORMAT_JPEG; format++) {
    size_t n, m;
    void *bytes;
    const gm_draw_params params = {.struct_size = sizeof params, .caption = "A caption."};
    assert_ok(
        gm_draw_to_memory(world.image, &params, (gm_image_format)format, &bytes, &n, &err),
        &err);
    assert_ok(gm_draw(world.image, &params, world_path(names[format]), &err), &err);
    void *file = test_read_file(world_path(names[format]), &m);
    assert_int_equal(n, m);
    assert_memory_equal(bytes, file, n);
    gm_bytes_free(bytes);
    free(file);
  }
}

/* ---- names and versions ---- */

static void names_of_statuses(void **state) {
  (void)state;
  static const char *const names[] = {
      [GM_OK] = "ok",
      [GM_ERR_ARGUMENT] = "bad_argument",
      [GM_ERR_FILE_NOT_FOUND] = "file_not_found",
      [GM_ERR_IO] = "io_error",
      [GM_ERR_MODEL] = "model_invalid",
      [GM_ERR_IMAGE_UNSUPPORTED] = "image_unsupported",
      [GM_ERR_IMAGE_TRUNCATED] = "image_truncated",
      [GM_ERR_IMAGE_TOO_LARGE] = "image_too_large",
      [GM_ERR_MEMORY] = "out_of_memory",
      [GM_ERR_CONTEXT_FULL] = "context_full",
      [GM_ERR_CANCELLED] = "cancelled",
      [GM_ERR_BUSY] = "busy",
      [GM_ERR_TIMEOUT] = "timeout",
  };
  enum { STATUSES = sizeof names / sizeof *names };
  for (int i = 0; i < STATUSES; i++)
    assert_string_equal(gm_status_name((gm_status)i), names[i]);
  assert_int_equal(STATUSES, 13);
  assert_non_null(gm_status_name((gm_status)STATUSES));
}

static void names_of_methods(void **state) {
  (void)state;
  static const char *const names[] = {"wca",    "wca-released", "clip", "clip-e",
                                      "clip-d", "waffle",       "cupl"};
  gm_method method;
  for (int i = GM_METHOD_WCA; i <= GM_METHOD_CUPL; i++) {
    assert_string_equal(gm_method_name((gm_method)i), names[i]);
    assert_true(gm_method_named(names[i], &method));
    assert_int_equal(method, i);
  }
  assert_null(gm_method_name((gm_method)(GM_METHOD_CUPL + 1)));
  assert_false(gm_method_named("WCA", &method));
}

static void versions(void **state) {
  (void)state;
  assert_string_equal(gm_version(), "1.0.0");
  assert_int_equal(gm_abi_version(), 1 << 16);
}

/* ---- lifetimes ---- */

static void a_view_needs_no_image(void **state) {
  (void)state;
  gm_error err = {0};
  gm_image *image;
  gm_view *view;
  gm_classification *want, *got;
  const gm_view_params params = {.struct_size = sizeof params, .crops = 5};
  assert_ok(gm_classify(world.view, world.classes, NULL, NULL, &want, &err), &err);
  assert_ok(gm_image_open(&image, WORLD_PICTURE, NULL, &err), &err);
  assert_ok(gm_view_create(&view, world.clip, image, &params, &err), &err);
  gm_image_free(image);
  assert_ok(gm_classify(view, world.classes, NULL, NULL, &got, &err), &err);
  for (size_t i = 0; i < 2; i++) {
    gm_label a = label_at(want, i), b = label_at(got, i);
    assert_int_equal(a.class_index, b.class_index);
    assert_memory_equal(&a.raw_score, &b.raw_score, sizeof a.raw_score);
  }
  gm_classification_free(want);
  gm_classification_free(got);
  gm_view_free(view);
}

static void nothing_is_freed_without_harm(void **state) {
  (void)state;
  gm_model_free(NULL);
  gm_image_free(NULL);
  gm_scene_free(NULL);
  gm_answer_free(NULL);
  gm_chat_free(NULL);
  gm_ground_result_free(NULL);
  gm_clip_free(NULL);
  gm_classes_free(NULL);
  gm_view_free(NULL);
  gm_classification_free(NULL);
  gm_explanation_free(NULL);
  gm_bytes_free(NULL);
  gm_inspection_free(NULL);
  gm_bench_report_free(NULL);
}

/* ---- sums ---- */

typedef struct watcher {
  bool stop, named;
  double last;
} watcher;

static bool stops(void *user) {
  return ((const watcher *)user)->stop;
}

static void hashes(void *user, const char *stage, double done) {
  watcher *w = user;
  w->named = strcmp(stage, "hash") == 0;
  assert_true(done >= w->last && done <= 1);
  w->last = done;
}

/* Uses a new model, since a sum may be kept. */
static void sums_can_be_cancelled(void **state) {
  (void)state;
  gm_error err = {0};
  gm_model *model;
  gm_clip *clip;
  char sum[65] = "as before", again[65];
  watcher w = {.stop = true};
  const gm_callbacks callbacks = {
      .struct_size = sizeof callbacks, .user = &w, .cancelled = stops, .progress = hashes};
  assert_ok(gm_model_open(&model, GM_REFERENCE_MINI, NULL, &err), &err);
  assert_ok(gm_clip_open(&clip, NULL, NULL, &err), &err);
  assert_int_equal(gm_model_sha256(model, sum, &callbacks, &err), GM_ERR_CANCELLED);
  assert_int_equal(gm_clip_sha256(clip, sum, &callbacks, &err), GM_ERR_CANCELLED);
  assert_string_equal(sum, "as before");
  w = (watcher){0};
  assert_ok(gm_model_sha256(model, sum, &callbacks, &err), &err);
  assert_true(w.named && w.last == 1);
  assert_ok(gm_model_sha256(world.model, again, NULL, &err), &err);
  assert_string_equal(sum, again);
  w = (watcher){0};
  assert_ok(gm_clip_sha256(clip, sum, &callbacks, &err), &err);
  assert_true(w.named && w.last == 1);
  assert_ok(gm_clip_sha256(world.clip, again, NULL, &err), &err);
  assert_string_equal(sum, again);
  gm_model_free(model);
  gm_clip_free(clip);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(params_of_questions),
      cmocka_unit_test(marks_and_spans),
      cmocka_unit_test(drawings_in_memory_are_those_of_files),
      cmocka_unit_test(names_of_statuses),
      cmocka_unit_test(names_of_methods),
      cmocka_unit_test(versions),
      cmocka_unit_test(a_view_needs_no_image),
      cmocka_unit_test(nothing_is_freed_without_harm),
      cmocka_unit_test(sums_can_be_cancelled),
  };
  return cmocka_run_group_tests(tests, interface_world_open, interface_world_close);
}
