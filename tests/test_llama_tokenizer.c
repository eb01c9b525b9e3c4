/* test_llama_tokenizer.c - LLaMA's tokenizer against the goldens of both vocabularies, its
 * streaming form, and odd vocabularies and hostile text against handmade expectations. */
#include "support.h"

#include "llama_fixture.h"

#include "gguf_write.h"
#include "llama_tokenizer_file.h"
#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- helpers */

static llama_fixture mini, tiny;

static int open_fixtures(void **state) {
  (void)state;
  llama_fixture_open(&mini, GM_TEST_DATA "/models/groma-mini");
  llama_fixture_open(&tiny, test_data("models/groma-tiny"));
  return 0;
}

static int close_fixtures(void **state) {
  (void)state;
  llama_fixture_close(&mini);
  llama_fixture_close(&tiny);
  return 0;
}

static void check_ids(const gm_ids *found, const int32_t *wanted, size_t n, const char *what) {
  bool equal = found->n == n && (n == 0 || memcmp(found->ids, wanted, n * sizeof *wanted) == 0);
  if (equal) return;
  print_error("%s\n  found:", what);
  for (size_t i = 0; i < found->n; i++) print_error(" %d", found->ids[i]);
  print_error("\n wanted:");
  for (size_t i = 0; i < n; i++) print_error(" %d", wanted[i]);
  print_error("\n");
  fail();
}

static gm_ids encode(const gm_llama_tokenizer *t, const char *text, size_t length, bool parse) {
  gm_ids ids = {0};
  gm_error err;
  assert_ok(gm_llama_encode(t, text, length, parse, &ids, &err), &err);
  return ids;
}

static gm_text decode(const gm_llama_tokenizer *t, const int32_t *ids, size_t n) {
  gm_text text = {0};
  gm_error err;
  assert_ok(gm_text_append(&text, "", 0, &err), &err);
  assert_ok(gm_llama_decode(t, ids, n, &text, &err), &err);
  return text;
}

/* ---- goldens */

static void check_golden_strings(const char *path, const gm_llama_tokenizer *t) {
  json_t *cases = json_load_file(test_data(path), 0, NULL);
  assert_true(json_array_size(cases) > 20);
  for (size_t i = 0; i < json_array_size(cases); i++) {
    json_t *c = json_array_get(cases, i);
    const char *text = json_string_value(json_object_get(c, "text"));
    json_t *wanted = json_object_get(c, "ids");
    int32_t ids[256];
    size_t n = json_array_size(wanted);
    assert_true(n >= 1 && n <= 256);
    for (size_t k = 0; k < n; k++)
      ids[k] = (int32_t)json_integer_value(json_array_get(wanted, k));
    assert_int_equal(ids[0], 1); /* <s>, which the caller puts in front */
    gm_ids found = encode(t, text, strlen(text), true);
    check_ids(&found, ids + 1, n - 1, text);
    gm_ids_free(&found);
    gm_text decoded = decode(t, ids, n);
    assert_string_equal(decoded.bytes, json_string_value(json_object_get(c, "decoded")));
    gm_text_free(&decoded);
  }
  json_decref(cases);
}

static void golden_strings(void **state) {
  (void)state;
  check_golden_strings("golden/tokenize/llama-groma-mini.json", mini.tokenizer);
  check_golden_strings("golden/tokenize/llama-groma-tiny.json", tiny.tokenizer);
}

static void check_golden_run(const char *name, const gm_llama_tokenizer *t) {
  char path[256];
  snprintf(path, sizeof path, "golden/%s.safetensors", name);
  golden *g = golden_open(path);
  snprintf(path, sizeof path, "golden/%s.json", name);
  json_t *json = json_load_file(test_data(path), 0, NULL);
  assert_non_null(json);

  golden_array prompt = golden_get(g, "prompt_ids");
  const int32_t *ids = prompt.data;
  assert_int_equal(ids[0], 1);
  const char *text = json_string_value(json_object_get(json, "prompt"));
  gm_ids found = encode(t, text, strlen(text), true);
  check_ids(&found, ids + 1, prompt.n - 1, name);
  gm_ids_free(&found);

  golden_array generated = golden_get(g, "generated_ids");
  gm_text decoded = decode(t, generated.data, generated.n);
  assert_string_equal(decoded.bytes,
                      json_string_value(json_object_get(json, "generated_text")));
  gm_text_free(&decoded);
  json_decref(json);
  golden_close(g);
}

static void golden_prompts_and_answers(void **state) {
  (void)state;
  const char *of_mini[] = {"caption", "count", "describe-long", "describe", "locate"};
  const char *of_tiny[] = {"astronaut", "chelsea", "coffee",
                           "rocket",    "overlap", "none-over-threshold"};
  char name[64];
  for (size_t i = 0; i < sizeof of_mini / sizeof *of_mini; i++) {
    snprintf(name, sizeof name, "groma-mini/%s", of_mini[i]);
    check_golden_run(name, mini.tokenizer);
  }
  for (size_t i = 0; i < sizeof of_tiny / sizeof *of_tiny; i++) {
    snprintf(name, sizeof name, "groma-tiny/%s", of_tiny[i]);
    check_golden_run(name, tiny.tokenizer);
  }
  check_golden_run("groma-7b-2l/astronaut", tiny.tokenizer);
}

/* ---- what a user types */

static void typed_tags_stay_text(void **state) {
  (void)state;
  const char *forged = "<r99></p> <roi><r3></roi></s><s><unk>[grounding]<0x41>";
  const llama_fixture *fixtures[] = {&mini, &tiny};
  for (size_t f = 0; f < 2; f++) {
    const gm_llama_tokenizer *t = fixtures[f]->tokenizer;
    gm_ids ids = encode(t, forged, strlen(forged), false);
    assert_true(ids.n > 20);
    for (size_t i = 0; i < ids.n; i++) {
      assert_false(gm_llama_token_is_added(t, ids.ids[i]));
      assert_false(gm_llama_token_is_special(t, ids.ids[i]));
    }
    gm_text back = decode(t, ids.ids, ids.n);
    assert_string_equal(back.bytes, forged);
    gm_text_free(&back);
    gm_ids_free(&ids);
  }
}

/* Plain parts are one text with the template around them, and a tag cannot be put together from
 * two parts. */
static void parts_join(void **state) {
  (void)state;
  const gm_llama_tokenizer *t = tiny.tokenizer;
  const gm_llama_part parts[] = {{"USER: [grou", 11, true}, {"nding]", 6, true},
                                 {"[grounding]", 11, true}, {" Hello", 6, false},
                                 {" wor", 4, false},        {"ld ASSISTANT:", 13, true}};
  gm_ids ids = {0}, whole = {0};
  gm_error err;
  assert_ok(gm_llama_encode_parts(t, parts, 6, &ids, &err), &err);
  assert_ok(gm_llama_encode(t, "USER: [grounding]", 17, false, &whole, &err), &err);
  assert_ok(gm_ids_append(&whole, gm_llama_token_id(t, "[grounding]"), &err), &err);
  assert_ok(gm_llama_encode(t, "Hello world ASSISTANT:", 22, false, &whole, &err), &err);
  check_ids(&ids, whole.ids, whole.n, "parts");
  gm_ids_free(&ids);
  gm_ids_free(&whole);
}

/* Random bytes: each invalid one is read as U+FFFD, and everything else survives encoding and
 * decoding. */
static void any_bytes_are_text(void **state) {
  (void)state;
  const gm_llama_tokenizer *t = tiny.tokenizer;
  const char bytes[] = "a\xFF"
                       "b\xE2\x96"
                       "c\xED\xA0\x80\xC0\xAF\xF4\x90\x80\x80 \xF0\x9F\x90\xB6";
#define R "\xEF\xBF\xBD"
  const char *wanted = "a" R "b" R R "c" R R R R R R R R R " \xF0\x9F\x90\xB6";
  gm_ids ids = encode(t, bytes, sizeof bytes - 1, false);
  gm_text back = decode(t, ids.ids, ids.n);
  assert_string_equal(back.bytes, wanted);
  gm_text_free(&back);
  gm_ids_free(&ids);

  char all[256];
  for (size_t i = 0; i < 256; i++) all[i] = (char)i;
  ids = encode(t, all, sizeof all, false);
  back = decode(t, ids.ids, ids.n);
  assert_int_equal(back.length, strlen(back.bytes));
  assert_int_equal(back.length, 3 + 127 + 128 * 3); /* NUL and 128 bytes became U+FFFD */
  gm_text_free(&back);
  gm_ids_free(&ids);
}

/* ---- streaming */

/* The dog's four bytes come one id at a time; no text appears before the last. */
static void characters_come_whole(void **state) {
  (void)state;
  const gm_llama_tokenizer *t = tiny.tokenizer;
  const int32_t ids[] = {29871, 243, 162, 147, 185, 15043, 229, 3186};
  const char *wanted[] = {"", "", "", "", "\xF0\x9F\x90\xB6", " Hello", "", R " world"};
  gm_llama_stream stream = {0};
  gm_error err;
  for (size_t i = 0; i < 8; i++) {
    gm_text out = {0};
    assert_ok(gm_text_append(&out, "", 0, &err), &err);
    assert_ok(gm_llama_stream_push(t, &stream, ids[i], &out, &err), &err);
    assert_string_equal(out.bytes, wanted[i]);
    gm_text_free(&out);
  }
  gm_text out = {0};
  assert_int_equal(gm_llama_stream_push(t, &stream, 32114, &out, &err), GM_ERR_ARGUMENT);
  assert_int_equal(gm_llama_stream_push(t, &stream, -1, &out, &err), GM_ERR_ARGUMENT);
  assert_ok(gm_llama_stream_push(t, &stream, 229, &out, &err), &err);
  assert_ok(gm_llama_stream_push(t, &stream, 134, &out, &err), &err);
  assert_ok(gm_llama_stream_finish(&stream, &out, &err), &err);
  assert_string_equal(out.bytes, R R); /* a character cut after its second byte of three */
  gm_text_free(&out);
}

/* ---- odd vocabularies */

static gm_status create(const char *const *pieces, const float *scores, const int32_t *types,
                        size_t n, int32_t unk, gm_llama_tokenizer **t, gm_error *err) {
  const gm_llama_vocabulary v = {n, pieces, scores, types, -1, -1, unk};
  return gm_llama_tokenizer_create(t, &v, err);
}

static void vocabulary_without_bytes_uses_unk(void **state) {
  (void)state;
  /* "ab" twice: the first counts; an empty piece is never made. Merging: "b" "c" scores above
   * "a" "b", then "\u2581" + "a" stays; the two unknown characters are one <unk>. */
  const char *pieces[] = {"<unk>", "\xE2\x96\x81", "a", "b", "c", "ab", "bc", "ab", ""};
  const float scores[] = {0, 0, 0, 0, 0, -2, -1, -1, 5};
  const int32_t types[] = {2, 1, 1, 1, 1, 1, 1, 1, 1};
  gm_llama_tokenizer *t;
  gm_error err;
  assert_ok(create(pieces, scores, types, 9, 0, &t, &err), &err);
  gm_ids ids = encode(t, "abcab\xC3\xA9\xC3\xA9", 9, false);
  const int32_t wanted[] = {1, 2, 6, 5, 0};
  check_ids(&ids, wanted, 5, "abcab and two unknown characters");
  gm_ids_free(&ids);
  gm_llama_tokenizer_free(t);
}

/* Equal scores: the leftmost pair goes first, so "aaa" is "aa" + "a". */
static void equal_scores_merge_from_the_left(void **state) {
  (void)state;
  const char *pieces[] = {"<unk>", "a", "aa", "\xE2\x96\x81"};
  const float scores[] = {0, 0, -1, 0};
  const int32_t types[] = {2, 1, 1, 1};
  gm_llama_tokenizer *t;
  gm_error err;
  assert_ok(create(pieces, scores, types, 4, 0, &t, &err), &err);
  gm_ids ids = encode(t, "aaaaa", 5, false);
  const int32_t wanted[] = {3, 2, 2, 1};
  check_ids(&ids, wanted, 4, "aaaaa");
  gm_ids_free(&ids);
  gm_llama_tokenizer_free(t);
}

static void unsound_vocabularies_are_refused(void **state) {
  (void)state;
  const char *pieces[] = {"<unk>", "a", "<0x4G>"};
  const float scores[] = {0, 0, 0}, infinite[] = {0, 1e38f * 1e38f, 0};
  const int32_t types[] = {2, 1, 1}, bytes[] = {2, 1, 6}, no_type[] = {2, 1, 7};
  gm_llama_tokenizer *t;
  gm_error err;
  assert_int_equal(create(pieces, scores, types, 0, -1, &t, &err), GM_ERR_MODEL);
  assert_int_equal(create(pieces, scores, types, 3, 3, &t, &err), GM_ERR_MODEL);
  assert_int_equal(create(pieces, scores, types, 3, -2, &t, &err), GM_ERR_MODEL);
  assert_int_equal(create(pieces, scores, types, 3, -1, &t, &err), GM_ERR_MODEL);
  assert_int_equal(create(pieces, infinite, types, 3, 0, &t, &err), GM_ERR_MODEL);
  assert_int_equal(create(pieces, scores, bytes, 3, 0, &t, &err), GM_ERR_MODEL);
  assert_int_equal(create(pieces, scores, no_type, 3, 0, &t, &err), GM_ERR_MODEL);
  assert_null(t);
  assert_ok(create(pieces, scores, types, 3, 0, &t, &err), &err);
  gm_llama_tokenizer_free(t);

  char *name = calloc(1, 300);
  assert_non_null(name);
  memset(name, '<', 257);
  const char *added[] = {"<unk>", name};
  const int32_t user[] = {2, 4};
  assert_int_equal(create(added, scores, user, 2, 0, &t, &err), GM_ERR_MODEL);
  name[256] = 0;
  assert_ok(create(added, scores, user, 2, 0, &t, &err), &err);
  gm_llama_tokenizer_free(t);
  free(name);
}

/* ---- model files */

/* A model file with the first n_tokens, n_scores, n_types of mini's vocabulary. */
static gm_model_file *make_file(size_t n_tokens, size_t n_scores, size_t n_types,
                                uint32_t eos) {
  const gm_llama_vocabulary *v = &mini.vocabulary;
  const size_t shape[] = {1, 1};
  gm_gguf_writer *w;
  gm_model_file *file;
  gm_error err;
  assert_ok(gm_gguf_writer_create(&w, NULL, &err), &err);
  gm_gguf_put_string_array(w, "tokenizer.ggml.tokens", v->pieces, n_tokens);
  gm_gguf_put_f32_array(w, "tokenizer.ggml.scores", v->scores, n_scores);
  gm_gguf_put_i32_array(w, "tokenizer.ggml.token_type", v->types, n_types);
  gm_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", eos);
  gm_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 0);
  gm_gguf_add_tensor(w, "x", GM_TYPE_F32, 2, shape);
  assert_ok(gm_gguf_begin(w, &err), &err);
  assert_ok(gm_gguf_finish_model(w, &file, "made", &err), &err);
  gm_gguf_writer_free(w);
  return file;
}

static void model_file_brings_the_tokenizer(void **state) {
  (void)state;
  gm_model_file *file = make_file(882, 882, 882, 2);
  gm_llama_tokenizer *t;
  gm_error err;
  assert_ok(gm_llama_tokenizer_from_file(&t, file, &err), &err);
  const char *text = "a dog<roi><r3></roi></s>\xE6\x97\xA5";
  gm_ids ids = encode(t, text, strlen(text), true);
  gm_ids wanted = encode(mini.tokenizer, text, strlen(text), true);
  check_ids(&ids, wanted.ids, wanted.n, text);
  assert_int_equal(gm_llama_tokenizer_vocabulary(t)->bos_id, -1); /* no such key */
  gm_ids_free(&ids);
  gm_ids_free(&wanted);
  gm_llama_tokenizer_free(t);
  gm_model_file_close(file);
}

static void unsound_model_files_are_refused(void **state) {
  (void)state;
  const size_t counts[][4] = {{882, 881, 882, 2},
                              {882, 882, 881, 2},
                              {881, 882, 882, 2},
                              {882, 882, 882, 882},
                              {882, 882, 882, UINT32_MAX}};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    gm_model_file *file =
        make_file(counts[i][0], counts[i][1], counts[i][2], (uint32_t)counts[i][3]);
    gm_llama_tokenizer *t;
    gm_error err;
    assert_int_equal(gm_llama_tokenizer_from_file(&t, file, &err), GM_ERR_MODEL);
    assert_null(t);
    gm_model_file_close(file);
  }
}

/* The longest token wins where one is the beginning of another. */
static void longest_token_is_parsed(void **state) {
  (void)state;
  const char *pieces[] = {"<unk>", "<p", "<p>x"};
  const float scores[] = {0, 0, 0};
  const int32_t types[] = {2, 4, 4};
  gm_llama_tokenizer *t;
  gm_error err;
  assert_ok(create(pieces, scores, types, 3, 0, &t, &err), &err);
  gm_ids ids = encode(t, "<p <p>x<p>y", 11, true);
  const int32_t wanted[] = {1, 2, 1, 0};
  check_ids(&ids, wanted, 4, "<p <p>x<p>y");
  gm_ids_free(&ids);
  gm_llama_tokenizer_free(t);
}

/* Quadratic merging of a megabyte would take hours; the bound is far above n log n on a slow
 * machine under sanitizers. */
static void long_text_is_quick(void **state) {
  (void)state;
  enum { N = 1 << 20 };
  char *text = malloc(N);
  assert_non_null(text);
  const char *fills[] = {"a",    " ",  "the cat sat on the mat. ", "\xF0\x9F\x90\xB6",
                         "\xFF", "<p>"};
  clock_t start = clock();
  for (size_t f = 0; f < sizeof fills / sizeof *fills; f++) {
    size_t width = strlen(fills[f]);
    for (size_t i = 0; i < N; i++) text[i] = fills[f][i % width];
    gm_ids ids = encode(tiny.tokenizer, text, N, true);
    assert_true(ids.n > N / 64 && ids.n <= (size_t)3 * N + 3);
    gm_ids_free(&ids);
  }
  assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 60);
  free(text);

  gm_ids ids = {0};
  gm_error err;
  const gm_llama_part huge[] = {{"x", 1, false}, {"", (size_t)-1, false}};
  assert_int_equal(gm_llama_encode_parts(tiny.tokenizer, huge, 2, &ids, &err), GM_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_strings),
      cmocka_unit_test(golden_prompts_and_answers),
      cmocka_unit_test(typed_tags_stay_text),
      cmocka_unit_test(parts_join),
      cmocka_unit_test(any_bytes_are_text),
      cmocka_unit_test(characters_come_whole),
      cmocka_unit_test(vocabulary_without_bytes_uses_unk),
      cmocka_unit_test(equal_scores_merge_from_the_left),
      cmocka_unit_test(unsound_vocabularies_are_refused),
      cmocka_unit_test(longest_token_is_parsed),
      cmocka_unit_test(model_file_brings_the_tokenizer),
      cmocka_unit_test(unsound_model_files_are_refused),
      cmocka_unit_test(long_text_is_quick),
  };
  return cmocka_run_group_tests(tests, open_fixtures, close_fixtures);
}
