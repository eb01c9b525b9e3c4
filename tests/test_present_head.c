/* test_present_head.c - the head that says what is there: its numbers by hand, what it refuses,
 * and how it is fitted. */
#include "support.h"

#include "fit.h"
#include "present_head.h"

#include <math.h>
#include <string.h>

/* ---- arithmetic ---- */

static const gm_present_unit unit = {
    .n = 2,
    .terms = {{GM_SIGNAL_MARGIN, GM_SIGNALS}, {GM_SIGNAL_COSINE, GM_SIGNALS}},
    .mean = {2, 0.5F},
    .scale = {0.5F, 4},
    .weights = {1, -0.5F},
    .bias = 0.25F,
    .score = {-1, 2, 0.5F}};

static void a_head_is_a_logistic_function(void **state) {
  (void)state;
  float signals[GM_SIGNALS] = {0};
  signals[GM_SIGNAL_MARGIN] = 4;
  signals[GM_SIGNAL_COSINE] = 0.75F;
  /* x = (4 - 2) / 2 = 1 and (0.75 - 0.5) * 4 = 1; z = 0.25 + 1 - 0.5 */
  float z = gm_present_logit(&unit, signals);
  assert_float_equal(z, 0.75, 1e-6);
  assert_float_equal(gm_present_probability(z), 0.679178699, 1e-6); /* 1 / (1 + e^-0.75) */
  /* -1 + 2 * 0.75 + 0.5 ln(0.8 / 0.2) = 1.193147181; 1 / (1 + e^-that) */
  assert_float_equal(gm_present_score(&unit, z, 0.8F), 0.767303, 1e-5);
  /* x of the margin is cut to 8: z = 0.25 + 8 - 0.5 */
  signals[GM_SIGNAL_MARGIN] = 1000;
  assert_float_equal(gm_present_logit(&unit, signals), 7.75, 1e-6);
}

static void a_term_may_be_a_product(void **state) {
  (void)state;
  float signals[GM_SIGNALS] = {0};
  signals[GM_SIGNAL_WORDS] = 3;
  signals[GM_SIGNAL_COSINE] = 0.5F;
  gm_present_term term = {GM_SIGNAL_WORDS, GM_SIGNAL_COSINE};
  assert_float_equal(gm_present_term_value(term, signals), 1.5, 0);
  term.b = GM_SIGNALS;
  assert_float_equal(gm_present_term_value(term, signals), 3, 0);
}

static void what_is_not_a_number_is_not_there(void **state) {
  (void)state;
  float signals[GM_SIGNALS] = {0};
  signals[GM_SIGNAL_COSINE] = NAN;
  float z = gm_present_logit(&unit, signals);
  assert_float_equal(gm_present_probability(z), 0, 0);
  assert_float_equal(gm_present_score(&unit, z, 0.5F), 0, 0);
  assert_float_equal(gm_present_score(&unit, 0, NAN), 0, 0);
  assert_true(isfinite(gm_present_logit_of(0)) && isfinite(gm_present_logit_of(1)));
}

/* ---- files ---- */

/* A file whose keys `change` may spoil. */
static gm_status read_changed(void (*change)(gm_gguf_writer *writer, gm_present_head *head),
                              gm_present_head **out, gm_error *err) {
  static float background[4] = {1, 0, 0, 1};
  gm_present_head head = {.clip_name = "clip-mini", .clip_vocabulary = "0123", .features = 2};
  gm_gguf_writer *writer;
  gm_model_file *file;
  head.n_words = 2;
  head.background = background;
  for (size_t mode = 0; mode < GM_PRESENT_MODES; mode++) {
    head.units[mode][0] = head.units[mode][1] = unit;
    head.units[mode][0].terms[1].a = GM_SIGNAL_WORDS; /* without a CLIP */
    if (mode == GM_PRESENT_ONE) head.units[mode][1].terms[0].b = GM_SIGNAL_LEAD;
  }
  assert_ok(gm_gguf_writer_create(&writer, NULL, err), err);
  gm_gguf_put_string(writer, "general.architecture", "groma");
  if (change) change(writer, &head);
  gm_present_head_put(writer, &head);
  assert_ok(gm_gguf_begin(writer, err), err);
  assert_ok(gm_gguf_finish_model(writer, &file, "test", err), err);
  gm_gguf_writer_free(writer);
  gm_status status = gm_present_head_read(out, file, err);
  gm_model_file_close(file);
  return status;
}

static void a_head_comes_back_as_it_was_written(void **state) {
  (void)state;
  gm_present_head *head;
  gm_error err;
  assert_ok(read_changed(NULL, &head, &err), &err);
  const gm_present_unit *got = &head->units[GM_PRESENT_ALL][1];
  assert_int_equal(got->n, 2);
  assert_int_equal(got->terms[1].a, GM_SIGNAL_COSINE);
  assert_int_equal(got->terms[1].b, GM_SIGNALS);
  assert_int_equal(head->units[GM_PRESENT_ONE][1].terms[0].b, GM_SIGNAL_LEAD);
  assert_memory_equal(got->weights, unit.weights, 2 * sizeof(float));
  assert_memory_equal(got->score, unit.score, sizeof unit.score);
  assert_int_equal(head->n_words, 2);
  assert_int_equal(head->features, 2);
  assert_string_equal(head->clip_name, "clip-mini");
  assert_float_equal(head->background[3], 1, 0);
  gm_present_head_free(head);
}

static void put_nan(gm_gguf_writer *writer, gm_present_head *head) {
  (void)writer;
  head->units[GM_PRESENT_ONE][0].weights[1] = NAN;
}

static void put_infinity(gm_gguf_writer *writer, gm_present_head *head) {
  (void)writer;
  head->units[GM_PRESENT_ALL][0].bias = INFINITY;
}

static void put_clip_signal(gm_gguf_writer *writer, gm_present_head *head) {
  (void)writer;
  head->units[GM_PRESENT_ONE][0].terms[0].b = GM_SIGNAL_LEAD;
}

static void put_falling_score(gm_gguf_writer *writer, gm_present_head *head) {
  (void)writer;
  head->units[GM_PRESENT_ONE][0].score[2] = -0.5F;
}

static void put_short_words(gm_gguf_writer *writer, gm_present_head *head) {
  (void)writer;
  head->features = 3; /* 6 numbers would be needed; 4 are there */
  head->n_words = 1;
  static float background[3] = {1, 0, NAN};
  head->background = background;
}

static void put_long_name(gm_gguf_writer *writer, gm_present_head *head) {
  (void)writer;
  memset(head->clip_vocabulary, 'a', 64);
  memset(head->clip_name, 'b', sizeof head->clip_name - 1);
}

static void put_no_first(gm_gguf_writer *writer, gm_present_head *head) {
  (void)writer;
  head->units[GM_PRESENT_ONE][0].n = head->units[GM_PRESENT_ONE][1].n = 0;
}

static void damaged_heads_are_refused(void **state) {
  (void)state;
  static const struct {
    void (*change)(gm_gguf_writer *writer, gm_present_head *head);
    const char *said; /* NULL: it is sound */
  } cases[] = {{put_nan, "gromatic.present.one.weights"},
               {put_infinity, "gromatic.present.all.bias"},
               {put_clip_signal, "\"margin*lead\""},
               {put_falling_score, "0 or more"},
               {put_short_words, "gromatic.present.clip.background"},
               {put_long_name, NULL},
               {put_no_first, "gromatic.present.one"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gm_present_head *head;
    gm_error err = {0};
    gm_status status = read_changed(cases[i].change, &head, &err);
    if (!cases[i].said) {
      assert_ok(status, &err);
      gm_present_head_free(head);
      continue;
    }
    assert_int_equal(status, GM_ERR_MODEL);
    assert_null(head);
    assert_non_null(strstr(err.message, cases[i].said));
  }
}

/* Numbers of another count, and a later version. */
static void wrong_shapes_are_refused(void **state) {
  (void)state;
  static const char *const one[] = {"margin"}, *const unknown[] = {"telepathy"};
  const float numbers[4] = {1, 2, 3, 4};
  for (int i = 0; i < 4; i++) {
    gm_gguf_writer *writer;
    gm_model_file *file;
    gm_present_head *head;
    gm_error err = {0};
    assert_ok(gm_gguf_writer_create(&writer, NULL, &err), &err);
    gm_gguf_put_u32(writer, GM_PRESENT_KEYS "version", i == 0 ? 2 : 1);
    gm_gguf_put_string_array(writer, GM_PRESENT_KEYS "one.signals", i == 1 ? unknown : one, 1);
    gm_gguf_put_f32_array(writer, GM_PRESENT_KEYS "one.mean", numbers, i == 2 ? 2 : 1);
    gm_gguf_put_f32_array(writer, GM_PRESENT_KEYS "one.scale", numbers, 1);
    gm_gguf_put_f32_array(writer, GM_PRESENT_KEYS "one.weights", numbers, 1);
    gm_gguf_put_f32_array(writer, GM_PRESENT_KEYS "one.bias", numbers, 1);
    gm_gguf_put_f32_array(writer, GM_PRESENT_KEYS "one.score", numbers, i == 3 ? 4 : 3);
    assert_ok(gm_gguf_begin(writer, &err), &err);
    assert_ok(gm_gguf_finish_model(writer, &file, "test", &err), &err);
    gm_gguf_writer_free(writer);
    assert_int_equal(gm_present_head_read(&head, file, &err), GM_ERR_MODEL);
    assert_null(head);
    gm_model_file_close(file);
  }
}

/* ---- fitting ---- */

/* Of 4000 phrases with the margin 0 a quarter are there, of as many with 1 three quarters. A
 * logistic function can say just that; the ridge, as strong as one row, moves it by less than
 * 1e-3. Every thing that is there has the right box, and all shares are equal. */
static void a_fit_gives_the_frequencies(void **state) {
  (void)state;
  enum { N = 8000 };
  static gm_fit_row rows[N];
  static const gm_present_term use[] = {{GM_SIGNAL_MARGIN, GM_SIGNALS}};
  gm_present_unit fitted;
  gm_error err;
  for (int i = 0; i < N; i++) {
    bool upper = i % 2;
    bool there = upper ? i / 2 % 4 != 0 : i / 2 % 4 == 0;
    rows[i] = (gm_fit_row){.share = 0.5F, .present = there, .right = there, .weight = 1};
    rows[i].signals[GM_SIGNAL_MARGIN] = upper;
  }
  assert_ok(gm_fit_unit(&fitted, rows, N, use, 1, &err), &err);
  for (int upper = 0; upper < 2; upper++) {
    float z = gm_present_logit(&fitted, rows[upper].signals);
    const float share = upper ? 0.75F : 0.25F;
    assert_float_equal(gm_present_probability(z), share, 1e-3);
    assert_float_equal(gm_present_score(&fitted, z, 0.5F), share, 1e-3);
  }
  assert_true(fitted.score[2] >= 0);
  for (int i = 0; i < N; i++) rows[i].present = true;
  assert_int_equal(gm_fit_unit(&fitted, rows, N, use, 1, &err), GM_ERR_ARGUMENT);
}

static void measures_by_hand(void **state) {
  (void)state;
  gm_error err;
  double auc;
  /* of the 2 x 3 pairs, 0.9 wins 3 and 0.4 wins 1, ties once: (3 + 1.5) / 6 */
  const double values[] = {0.9, 0.4, 0.4, 0.1, 0.5};
  const bool truth[] = {true, true, false, false, false};
  assert_ok(gm_fit_auc(values, truth, 5, &auc, &err), &err);
  assert_float_equal(auc, 0.75, 1e-12);
  assert_ok(gm_fit_auc(values, truth, 2, &auc, &err), &err);
  assert_true(isnan(auc));
  /* bins 0.9.. : 2 answers, 1 right, probabilities 0.9 and 1: |1 - 1.9|; 0.2..: |1 - 0.25| */
  const double probabilities[] = {0.9, 1, 0.25};
  const bool right[] = {true, false, true};
  assert_float_equal(gm_fit_ece(probabilities, right, 3), (0.9 + 0.75) / 3, 1e-12);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_head_is_a_logistic_function),
      cmocka_unit_test(a_term_may_be_a_product),
      cmocka_unit_test(what_is_not_a_number_is_not_there),
      cmocka_unit_test(a_head_comes_back_as_it_was_written),
      cmocka_unit_test(damaged_heads_are_refused),
      cmocka_unit_test(wrong_shapes_are_refused),
      cmocka_unit_test(a_fit_gives_the_frequencies),
      cmocka_unit_test(measures_by_hand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
