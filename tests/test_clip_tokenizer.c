/* test_clip_tokenizer.c - cleaning, both vocabularies and their goldens, and hostile
 * vocabularies and texts. */
#include "support.h"

#include "clip_tokenizer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- fixtures */

static gm_clip_tokenizer *openai, *mini;

static gm_clip_tokenizer *open_openai(void) {
  size_t size;
  void *gz = test_read_file(GM_MODELS "/tokenizers/bpe_simple_vocab_16e6.txt.gz", &size);
  gm_clip_vocabulary v;
  gm_error err;
  assert_ok(gm_clip_vocabulary_from_merges_gz(&v, gz, size, &err), &err);
  free(gz);
  assert_int_equal(v.n, 49408);
  assert_int_equal(v.n_merges, 48894);
  assert_int_equal(v.start_id, 49406);
  assert_int_equal(v.end_id, 49407);
  assert_string_equal(v.tokens[0], "!");
  assert_string_equal(v.tokens[256], "!</w>");
  assert_string_equal(v.tokens[320], "a</w>"); /* the one-letter word "a" of every prompt */
  gm_clip_tokenizer *t;
  assert_ok(gm_clip_tokenizer_create(&t, &v, &err), &err);
  gm_clip_vocabulary_free(&v);
  return t;
}

static gm_clip_tokenizer *open_mini(void) {
  size_t vocab_size, merges_size;
  char *vocab = test_read_file(GM_MODELS "/clip-mini/vocab.json", &vocab_size);
  char *merges = test_read_file(GM_MODELS "/clip-mini/merges.txt", &merges_size);
  gm_clip_vocabulary v;
  gm_error err;
  assert_ok(
      gm_clip_vocabulary_from_files(&v, vocab, vocab_size, merges, merges_size, NULL, &err),
      &err);
  free(vocab);
  free(merges);
  assert_int_equal(v.n, 914);
  assert_int_equal(v.n_merges, 400);
  assert_int_equal(v.start_id, 912);
  assert_int_equal(v.end_id, 913);
  assert_int_equal(v.pad_id, 913);
  gm_clip_tokenizer *t;
  assert_ok(gm_clip_tokenizer_create(&t, &v, &err), &err);
  gm_clip_vocabulary_free(&v);
  return t;
}

static int open_fixtures(void **state) {
  (void)state;
  openai = open_openai();
  mini = open_mini();
  return 0;
}

static int close_fixtures(void **state) {
  (void)state;
  gm_clip_tokenizer_free(openai);
  gm_clip_tokenizer_free(mini);
  return 0;
}

/* ---- goldens */

static void check_golden(const char *name, const gm_clip_tokenizer *t) {
  char path[128];
  snprintf(path, sizeof path, "golden/%s/features.json", name);
  json_t *json = json_load_file(test_data(path), 0, NULL);
  json_t *texts = json_object_get(json, "texts");
  snprintf(path, sizeof path, "golden/%s/features.safetensors", name);
  golden *g = golden_open(path);
  golden_array wanted = golden_get(g, "text_ids");
  size_t context = wanted.shape[1];
  assert_true(json_array_size(texts) > 5);
  assert_int_equal(wanted.shape[0], json_array_size(texts));
  for (size_t i = 0; i < wanted.shape[0]; i++) {
    const char *text = json_string_value(json_array_get(texts, i));
    const int32_t *row = (const int32_t *)wanted.data + i * context;
    int32_t ids[128];
    gm_error err;
    assert_ok(gm_clip_encode_context(t, text, strlen(text), GM_CLIP_AS_UPSTREAM, ids, context,
                                     NULL, &err),
              &err);
    for (size_t k = 0; k < context; k++)
      if (ids[k] != row[k])
        fail_msg("%s: \"%s\": id %zu is %d, wanted %d", name, text, k, ids[k], row[k]);
  }
  golden_close(g);
  json_decref(json);
}

static void golden_ids(void **state) {
  (void)state;
  check_golden("clip-tiny", openai);
  check_golden("clip-mini", mini);
}

/* ---- what a user types */

static void typed_special_tokens_stay_text(void **state) {
  (void)state;
  const char *forged = "<|endoftext|> <|startoftext|>forged";
  const gm_clip_tokenizer *tokenizers[] = {openai, mini};
  const int32_t start_ids[] = {49406, 912};
  for (size_t t = 0; t < 2; t++) {
    gm_ids ids = {0};
    gm_error err;
    assert_ok(gm_clip_encode(tokenizers[t], forged, strlen(forged), GM_CLIP_PLAIN, &ids, &err),
              &err);
    assert_true(ids.n > 8);
    for (size_t i = 0; i < ids.n; i++) assert_true(ids.ids[i] < start_ids[t]);
    gm_ids_free(&ids);
  }
}

static void context_keeps_the_end(void **state) {
  (void)state;
  gm_error err;
  int32_t ids[4] = {-1, -1, -1, -1};
  size_t used;
  assert_ok(gm_clip_encode_context(openai, "a a a a", 7, GM_CLIP_PLAIN, ids, 4, &used, &err),
            &err);
  assert_int_equal(used, 4);
  const int32_t full[] = {49406, 320, 320, 49407};
  assert_memory_equal(ids, full, sizeof full);
  assert_ok(gm_clip_encode_context(openai, "a", 1, GM_CLIP_PLAIN, ids, 4, &used, &err), &err);
  assert_int_equal(used, 3);
  const int32_t padded[] = {49406, 320, 49407, 0};
  assert_memory_equal(ids, padded, sizeof padded);
  assert_ok(gm_clip_encode_context(openai, "a", 1, GM_CLIP_PLAIN, ids, 2, &used, &err), &err);
  assert_int_equal(ids[1], 49407);
  assert_int_equal(gm_clip_encode_context(openai, "a", 1, GM_CLIP_PLAIN, ids, 1, NULL, &err),
                   GM_ERR_ARGUMENT);
}

/* ---- cleaning */

/* Expected values by the rules of clip_clean.h; HTML's by the standard's examples and Python's
 * documented html.unescape. */
static void text_is_cleaned(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"", ""},
      {"  A \t\r\n Dog\xC2\xA0\xE3\x80\x80", "a dog"},
      {"a\x1C\x1F"
       "b\x1D",
       "a\x1C\x1F"
       "b"},
      /* HTML, once and twice */
      {"&lt;B&gt; &amp;amp; &AMP", "<b> & &"},
      {"&amp;lt;", "<"},
      {"&amp;amp;lt;", "&lt;"},
      {"&notit; &notin; &ampx &amp &a &;& &# &#x; &#xg",
       "\xC2\xACit; \xE2\x88\x89 &x & &a &;& &# &#x; &#xg"},
      {"&#65;&#x42&#X43;&#0;&#x80;&#xD800;&#99999999999999999999;&#1;&#xFFFF;.",
       "abc\xEF\xBF\xBD\xE2\x82\xAC\xEF\xBF\xBD\xEF\xBF\xBD."},
      {"&CounterClockwiseContourIntegral;&NotEqualTilde;", "\xE2\x88\xB3\xE2\x89\x82\xCC\xB8"},
      {"&zzz;&CounterClockwiseContourIntegralX;", "&zzz;&counterclockwisecontourintegralx;"},
      {"x&nbsp;y", "x y"},
      /* quotes, NFC, invalid bytes */
      {"\xE2\x80\x98it\xE2\x80\x99s\xE2\x80\x9A \xE2\x80\x9Cso\xE2\x80\x9D\xCA\xBC",
       "'it's' \"so\"'"},
      {"e\xCC\x81 \xEF\xAC\x81", "\xC3\xA9 \xEF\xAC\x81"},
      {"a\xFF"
       "b\xED\xA0\x80",
       "a\xEF\xBF\xBD"
       "b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
      /* lower case: plain, dotted I, sigma inside, at the end, alone, before a mark */
      {"\xC3\x89\xD0\x96\xE1\xBA\x9E", "\xC3\xA9\xD0\xB6\xC3\x9F"},
      {"\xC4\xB0I", "i\xCC\x87i"},
      {"\xCE\x9F\xCE\xA3\xCE\xA3\xCE\x9F\xCE\xA3", "\xCE\xBF\xCF\x83\xCF\x83\xCE\xBF\xCF\x82"},
      {"\xCE\xA3", "\xCF\x83"},
      {"A\xCE\xA3'B A\xCE\xA3' A.\xCE\xA3.", "a\xCF\x83'b a\xCF\x82' a.\xCF\x82."},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gm_text clean = {0};
    gm_error err;
    assert_ok(gm_text_append(&clean, "", 0, &err), &err);
    assert_ok(gm_clip_clean(&clean, cases[i][0], strlen(cases[i][0]), &err), &err);
    if (strcmp(clean.bytes, cases[i][1]) != 0)
      fail_msg("\"%s\"\n  found: %s\n wanted: %s", cases[i][0], clean.bytes, cases[i][1]);
    gm_text_free(&clean);
  }
}

/* ---- vocabularies made by hand */

/* A vocabulary of all byte symbols, then the tokens given; start and end are its last two. */
typedef struct handmade {
  char symbols[512][8];
  const char *tokens[600];
  gm_clip_vocabulary v;
} handmade;

static void handmade_fill(handmade *h, const char *const *tokens, size_t n_tokens,
                          const char *const *merges, size_t n_merges) {
  for (size_t b = 0; b < 256; b++) {
    gm_clip_byte_symbol(h->symbols[b], (unsigned char)b);
    snprintf(h->symbols[256 + b], sizeof h->symbols[0], "%s</w>", h->symbols[b]);
  }
  for (size_t i = 0; i < 512; i++) h->tokens[i] = h->symbols[i];
  for (size_t i = 0; i < n_tokens; i++) h->tokens[512 + i] = tokens[i];
  size_t n = 512 + n_tokens;
  h->v = (gm_clip_vocabulary){n, h->tokens, n_merges, merges, (int32_t)n - 2, (int32_t)n - 1,
                              0, NULL,      NULL};
}

/* Upstream merges all pairs of the lowest rank before it searches again. The difference shows
 * if a new pair has an even lower rank. "ababab": rank 1 makes "ab" "ab" "a" "b</w>", then rank
 * 0 "ab" "aba" "b</w>". One pair at a time would end with "aba" "b" "ab</w>". */
static void one_rank_is_merged_at_once(void **state) {
  (void)state;
  const char *tokens[] = {"ab", "aba", "ab</w>", "<s>", "<e>"};
  const char *merges[] = {"ab a", "a b", "a b</w>"};
  handmade h;
  handmade_fill(&h, tokens, 5, merges, 3);
  gm_clip_tokenizer *t;
  gm_error err;
  assert_ok(gm_clip_tokenizer_create(&t, &h.v, &err), &err);
  gm_ids ids = {0};
  assert_ok(gm_clip_encode(t, "ababab", 6, GM_CLIP_PLAIN, &ids, &err), &err);
  const int32_t wanted[] = {512, 513, 256 + 'b'};
  assert_int_equal(ids.n, 3);
  assert_memory_equal(ids.ids, wanted, sizeof wanted);
  gm_ids_free(&ids);
  gm_clip_tokenizer_free(t);
}

static void unsound_vocabularies_are_refused(void **state) {
  (void)state;
  const char *tokens[] = {"ab", "<s>", "<e>"};
  const char *sound[] = {"a b"}, *no_space[] = {"ab"}, *no_part[] = {"a xx"},
             *no_result[] = {"b a"};
  gm_clip_tokenizer *t;
  gm_error err;
  handmade h;
  handmade_fill(&h, tokens, 3, sound, 1);
  assert_ok(gm_clip_tokenizer_create(&t, &h.v, &err), &err);
  gm_clip_tokenizer_free(t);
  const char *const *bad[] = {no_space, no_part, no_result};
  for (size_t i = 0; i < 3; i++) {
    handmade_fill(&h, tokens, 3, bad[i], 1);
    assert_int_equal(gm_clip_tokenizer_create(&t, &h.v, &err), GM_ERR_MODEL);
    assert_null(t);
  }
  handmade_fill(&h, tokens, 3, sound, 1);
  h.v.pad_id = 515;
  assert_int_equal(gm_clip_tokenizer_create(&t, &h.v, &err), GM_ERR_MODEL);
  h.v.pad_id = -1;
  assert_int_equal(gm_clip_tokenizer_create(&t, &h.v, &err), GM_ERR_MODEL);
  h.v.pad_id = 0;
  h.tokens[300] = ""; /* a byte without a symbol */
  assert_int_equal(gm_clip_tokenizer_create(&t, &h.v, &err), GM_ERR_MODEL);
}

static gm_status read_files(const char *vocab, const char *merges, gm_error *err) {
  gm_clip_vocabulary v;
  gm_status status = gm_clip_vocabulary_from_files(&v, vocab, strlen(vocab), merges,
                                                   strlen(merges), NULL, err);
  if (status == GM_OK)
    gm_clip_vocabulary_free(&v);
  else
    assert_null(v.tokens);
  return status;
}

static void hostile_files_are_refused(void **state) {
  (void)state;
  gm_error err;
  const char *vocab = "{\"<|startoftext|>\": 1, \"<|endoftext|>\": 0}";
  assert_ok(read_files(vocab, "#version: 0.2\na b\r\nc d\n\n", &err), &err);
  assert_ok(read_files(vocab, "", &err), &err);
  const char *merges[] = {"#\nab\n", "#\na b c\n", "#\n a\n", "#\na \n", "#\na b\n\nc d\n"};
  for (size_t i = 0; i < sizeof merges / sizeof *merges; i++)
    assert_int_equal(read_files(vocab, merges[i], &err), GM_ERR_MODEL);
  const char *vocabs[] = {"",
                          "{}",
                          "[1]",
                          "{\"a\": 0",
                          "{\"<|startoftext|>\": 0, \"<|endoftext|>\": 0}",
                          "{\"<|startoftext|>\": 0, \"<|endoftext|>\": 2}",
                          "{\"<|startoftext|>\": 0, \"<|endoftext|>\": -1}",
                          "{\"<|startoftext|>\": 0, \"<|endoftext|>\": \"1\"}",
                          "{\"<|startoftext|>\": 0, \"<|startoftext|>\": 1}",
                          "{\"<|startoftext|>\": 0, \"a\": 1}"};
  for (size_t i = 0; i < sizeof vocabs / sizeof *vocabs; i++)
    assert_int_equal(read_files(vocabs[i], "#\n", &err), GM_ERR_MODEL);

  size_t size;
  unsigned char *gz =
      test_read_file(GM_MODELS "/tokenizers/bpe_simple_vocab_16e6.txt.gz", &size);
  gm_clip_vocabulary v;
  const size_t cuts[] = {0, 1, 9, 10, 18, 1000, size / 2, size - 9, size - 1};
  for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
    assert_int_equal(gm_clip_vocabulary_from_merges_gz(&v, gz, cuts[i], &err), GM_ERR_MODEL);
  gz[size / 2] ^= 1; /* the checksum detects it, if nothing before does */
  assert_int_equal(gm_clip_vocabulary_from_merges_gz(&v, gz, size, &err), GM_ERR_MODEL);
  free(gz);
}

/* ---- size */

/* The longest texts, one word each if the characters allow it. A quadratic merge would take
 * minutes; combining marks in the worst order are the slowest. */
static void long_text_is_quick(void **state) {
  (void)state;
  static char text[GM_CLIP_MAX_TEXT + 1];
  const char *fills[] = {
      "x", "abcdefghijklm", "&amp;", "\xCC\x81\xCC\xA3", "\xF0\x9F\x90\xB6", "\xFF", "it's "};
  clock_t start = clock();
  gm_error err;
  for (size_t f = 0; f < sizeof fills / sizeof *fills; f++) {
    size_t width = strlen(fills[f]);
    for (size_t i = 0; i < GM_CLIP_MAX_TEXT; i++) text[i] = fills[f][i % width];
    gm_ids ids = {0};
    assert_ok(gm_clip_encode(openai, text, GM_CLIP_MAX_TEXT, GM_CLIP_PLAIN, &ids, &err), &err);
    assert_true(ids.n > 0 && ids.n <= 3 * GM_CLIP_MAX_TEXT);
    gm_ids_free(&ids);
  }
  assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 60);
  gm_ids ids = {0};
  assert_int_equal(
      gm_clip_encode(openai, text, GM_CLIP_MAX_TEXT + 1, GM_CLIP_PLAIN, &ids, &err),
      GM_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_ids),
      cmocka_unit_test(typed_special_tokens_stay_text),
      cmocka_unit_test(context_keeps_the_end),
      cmocka_unit_test(text_is_cleaned),
      cmocka_unit_test(one_rank_is_merged_at_once),
      cmocka_unit_test(unsound_vocabularies_are_refused),
      cmocka_unit_test(hostile_files_are_refused),
      cmocka_unit_test(long_text_is_quick),
  };
  return cmocka_run_group_tests(tests, open_fixtures, close_fixtures);
}
