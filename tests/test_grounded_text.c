/* test_grounded_text.c - answers of Groma as text, phrases and regions: the goldens, every
 * malformed sequence that grounded_text.h lists, and random ids. */
#include "llama_fixture.h"

#include "grounded_text.h"
#include "rng.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static llama_fixture mini;

static int open_fixture(void **state) {
  (void)state;
  llama_fixture_open(&mini, GM_TEST_DATA "/models/groma-mini");
  return 0;
}

static int close_fixture(void **state) {
  (void)state;
  llama_fixture_close(&mini);
  return 0;
}

static void collect(void *user, const char *text, size_t length) {
  gm_error err;
  assert_true(length > 0);
  uint32_t code;
  for (size_t i = 0, n; i < length; i += n) {
    n = gm_utf8_read(text + i, length - i, &code);
    assert_true(n > 0); /* whole characters */
  }
  assert_ok(gm_text_append(user, text, length, &err), &err);
}

/* Parses the ids and checks that the streamed text is the final text, and that spans are valid.
 */
static void parse(gm_grounded_text *g, const int32_t *ids, size_t n, size_t n_regions) {
  gm_error err;
  gm_text streamed = {0};
  assert_ok(gm_text_append(&streamed, "", 0, &err), &err);
  const gm_grounded_text_params params = {
      .tokenizer = mini.tokenizer, .n_regions = n_regions, .text = collect, .user = &streamed};
  assert_ok(gm_grounded_text_begin(g, &params, &err), &err);
  for (size_t i = 0; i < n; i++) assert_ok(gm_grounded_text_push(g, ids[i], &err), &err);
  assert_ok(gm_grounded_text_finish(g, &err), &err);
  assert_string_equal(streamed.bytes, g->text.bytes);
  assert_int_equal(strlen(g->text.bytes), g->text.length);
  size_t last = 0;
  for (size_t i = 0; i < g->n_phrases; i++) {
    gm_grounded_phrase p = g->phrases[i];
    assert_true(last <= p.begin && p.begin <= p.end && p.end <= g->text.length);
    last = p.end;
    if (p.begin < p.end) assert_true(g->text.bytes[p.begin] != ' ');
    if (p.begin < p.end) assert_true(g->text.bytes[p.end - 1] != ' ');
    assert_true(p.n_regions >= 1 && p.first_region + p.n_regions <= g->regions.n);
    for (size_t k = 0; k < p.n_regions; k++)
      assert_in_range(g->regions.ids[p.first_region + k], 0, n_regions - 1);
  }
  gm_text_free(&streamed);
}

/* "text|phrase[0,6)=0,4|..." */
static void check(const gm_grounded_text *g, const char *wanted, const char *what) {
  char found[2048];
  int used = snprintf(found, sizeof found, "%s", g->text.bytes);
  for (size_t i = 0; i < g->n_phrases; i++) {
    gm_grounded_phrase p = g->phrases[i];
    used += snprintf(found + used, sizeof found - (size_t)used,
                     "|%.*s[%zu,%zu)=", (int)(p.end - p.begin), g->text.bytes + p.begin,
                     p.begin, p.end);
    for (size_t k = 0; k < p.n_regions; k++)
      used += snprintf(found + used, sizeof found - (size_t)used, k ? ",%d" : "%d",
                       g->regions.ids[p.first_region + k]);
  }
  if (strcmp(found, wanted) != 0) fail_msg("%s\n  found: %s\n wanted: %s", what, found, wanted);
}

static void golden_answers(void **state) {
  (void)state;
  static const struct {
    const char *name;
    size_t n_regions;
    const char *wanted;
  } cases[] = {
      {"caption", 5,
       "A tree, a tree, a snowman, a guitar and a guitar on a white background."
       "|A tree[0,6)=0|a tree[8,14)=1|a snowman[16,25)=2|a guitar[27,35)=3|a guitar[40,48)=4"},
      {"count", 1, "No."},
      {"describe-long", 12, "A medium fox in the top left corner, on a gray background."},
      {"describe", 4, "A camera"},
      {"locate", 3, "|[0,0)=2"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char path[128];
    snprintf(path, sizeof path, "golden/groma-mini/%s.safetensors", cases[i].name);
    golden *file = golden_open(path);
    golden_array ids = golden_get(file, "generated_ids");
    gm_grounded_text g;
    parse(&g, ids.data, ids.n, cases[i].n_regions);
    check(&g, cases[i].wanted, cases[i].name);
    gm_grounded_text_free(&g);
    golden_close(file);
  }
}

/* Eight regions. */
static void rules_and_malformed_answers(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"", ""},
      {"<p>A tree</p><roi><r0><r4></roi> on a hill.</s>", "A tree on a hill.|A tree[0,6)=0,4"},
      /* spacing */
      {" \n two \t words \n", "two words"},
      {"a , b . c ; d : e ! f ? ( g ) h", "a, b. c; d: e! f? ( g) h"},
      {"wait . . . what", "wait... what"},
      {"\xC2\xA0no\xE3\x80\x80"
       "break",
       "no break"},
      {"<p> a dog </p><roi><r1></roi> , <p>, b</p><roi><r2></roi>",
       "a dog,, b|a dog[0,5)=1|, b[6,9)=2"},
      {"na\xC3\xAFve <p>caf\xC3\xA9</p><roi><r3></roi> \xF0\x9F\x90\xB6",
       "na\xC3\xAFve caf\xC3\xA9 \xF0\x9F\x90\xB6|caf\xC3\xA9[7,12)=3"},
      /* a region without a phrase */
      {"It is here <roi><r2></roi> or there <roi><r3><r1></roi>.",
       "It is here or there.|[10,10)=2|[19,19)=3,1"},
      {"<roi><r2></roi><p>a cat</p>", "a cat|[0,0)=2"},
      {"<p></p><roi><r6></roi> x", "x|[0,0)=6"},
      {"x <p> </p><roi><r6></roi>", "x|[1,1)=6"},
      /* a second <roi>; text between ends the phrase */
      {"<p>dogs</p><roi><r1></roi> <roi><r2></roi>", "dogs|dogs[0,4)=1,2"},
      {"<p>dogs</p><roi><r1></roi> and <roi><r2></roi>", "dogs and|dogs[0,4)=1|[8,8)=2"},
      {"<p>dogs</p> bark <roi><r2></roi>", "dogs bark|[9,9)=2"},
      {"<roi><r1> two <r2></roi>", "two|[0,0)=1|[3,3)=2"},
      /* nested or unclosed */
      {"<p>a dog <roi><r1></roi> runs", "a dog runs|a dog[0,5)=1"},
      {"<p>a dog <p>big cat</p><roi><r2></roi></p>", "a dog big cat|big cat[6,13)=2"},
      {"<p>a dog</p><roi><r1><p>a cat</p><roi><r2>", "a dog a cat|a dog[0,5)=1|a cat[6,11)=2"},
      {"<p>a dog <r5> and", "a dog and|a dog[0,5)=5"},
      {"<p>a dog</p><roi><r1></roi> <p>a c", "a dog a c|a dog[0,5)=1"},
      {"<roi><roi><r1></roi></roi>", "|[0,0)=1"},
      /* ends without a start, tags of the prompt */
      {"</p>a</roi> dog</p> <img><image>[grounding] x", "a dog x"},
      /* regions that do not exist, twice, none */
      {"<p>a dog</p><roi><r8><r99></roi> x", "a dog x"},
      {"<p>a dog</p><roi><r8><r7><r7></roi>", "a dog|a dog[0,5)=7"},
      {"<p>a dog</p><roi></roi> <p>a cat</p> <p>a pig</p><roi><r0></roi>",
       "a dog a cat a pig|a pig[12,17)=0"},
      {"<roi><r50></roi>", ""},
      /* special tokens */
      {"a<unk>b</s>c", "a \xEF\xBF\xBD b c"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gm_ids ids = {0};
    gm_error err;
    assert_ok(
        gm_llama_encode(mini.tokenizer, cases[i][0], strlen(cases[i][0]), true, &ids, &err),
        &err);
    gm_grounded_text g;
    parse(&g, ids.ids, ids.n, 8);
    check(&g, cases[i][1], cases[i][0]);
    gm_grounded_text_free(&g);
    gm_ids_free(&ids);
  }
}

/* The byte token 0x00 is id 3: a character that is cut by a tag, by the end, and NUL. */
static void broken_characters_become_visible(void **state) {
  (void)state;
  const int32_t p = gm_llama_token_id(mini.tokenizer, "<p>");
  const int32_t ids[] = {3 + 0xF0, 3 + 0x9F, p, 3 + 'a', 3, 3 + 0xE2, 3 + 0x96};
  gm_grounded_text g;
  parse(&g, ids, 7, 8);
#define R "\xEF\xBF\xBD"
  check(&g, R R " a" R R R, "broken characters");
  gm_grounded_text_free(&g);

  gm_error err;
  const gm_grounded_text_params params = {.tokenizer = mini.tokenizer, .n_regions = 8};
  assert_ok(gm_grounded_text_begin(&g, &params, &err), &err);
  assert_int_equal(gm_grounded_text_push(&g, 882, &err), GM_ERR_ARGUMENT);
  assert_int_equal(gm_grounded_text_push(&g, -1, &err), GM_ERR_ARGUMENT);
  gm_grounded_text_free(&g);
}

/* Random answers, half of their ids tags: parse() checks what always holds. Seeds 1 to 300. */
static void random_answers_are_sound(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 300; seed++) {
    gm_rng rng = {seed};
    int32_t ids[200];
    for (size_t i = 0; i < 200; i++) {
      uint64_t r = gm_rng_u64(&rng);
      ids[i] = r & 1 ? 772 + (int32_t)(r / 2 % 16) : (int32_t)(r / 2 % 882);
    }
    gm_grounded_text g;
    parse(&g, ids, 200, 1 + seed % 4);
    gm_grounded_text_free(&g);
  }
}

static void region_tokens_are_numbers(void **state) {
  (void)state;
  assert_int_equal(gm_region_number("<r0>"), 0);
  assert_int_equal(gm_region_number("<r99>"), 99);
  assert_int_equal(gm_region_number("<r1048575>"), 1048575);
  const char *others[] = {"<r>",   "<r01>",      "<region>",
                          "<r-1>", "<r1",        "<r1>x",
                          "r1>",   "<r1048576>", "<r99999999999999999999>",
                          ""};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    assert_int_equal(gm_region_number(others[i]), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_answers),
      cmocka_unit_test(rules_and_malformed_answers),
      cmocka_unit_test(broken_characters_become_visible),
      cmocka_unit_test(random_answers_are_sound),
      cmocka_unit_test(region_tokens_are_numbers),
  };
  return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
