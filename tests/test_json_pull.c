/* test_json_pull.c - the reader of large JSON files: valid and invalid JSON (RFC 8259), and
 * values. */
#include "support.h"

#include "json_pull.h"
#include "name_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const right[] = {
    "0",
    "-0",
    "10.25",
    "1e5",
    "1E+5",
    "-1.5e-3",
    "true",
    "false",
    "null",
    "\"\"",
    "[]",
    "{}",
    " [ 1 , 2 ] ",
    "{\"a\": [], \"b\": {\"c\": null}}",
    "[[[[]]]]",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
    "\"\\ud83d\"",
    "NaN",
    "[-Infinity, Infinity]",
    "\n\t\r 1\n",
    "{\"a\":1,\"a\":2}",
};

static const char *const wrong[] = {
    "",        " ",        "01",         "1.",          ".5",    "-",
    "1e",      "1e+",      "+1",         "tru",         "nul",   "\"",
    "\"a",     "\"\n\"",   "\"\\x\"",    "\"\\u12g4\"", "\"\\",  "[",
    "[1",      "[1,",      "[1,]",       "[,1]",        "[1 2]", "{",
    "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",       "{,}",   "{\"a\":1 \"b\":2}",
    "]",       "1 2",      "[1]]",       "{]",          "[}",    "nan",
    "-NaN",    "'a'",      "[1] x",
};

static bool is_json(const char *text) {
  gm_pull_reader p = gm_pull_begin(text);
  gm_pull_value value;
  return gm_pull_read(&p, &value) && gm_pull_end(&p);
}

static void json_is_told_from_other_text(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
    if (!is_json(right[i])) fail_msg("refused: %s", right[i]);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    if (is_json(wrong[i])) fail_msg("taken: %s", wrong[i]);
}

static void depth_is_limited(void **state) {
  (void)state;
  enum { DEEP = 100000 };
  char *text = malloc(2 * DEEP + 1);
  memset(text, '[', DEEP);
  memset(text + DEEP, ']', DEEP);
  text[2 * DEEP] = 0;
  assert_false(is_json(text));
  text[DEEP + 500] = 0;
  assert_true(is_json(text + DEEP - 500));
  free(text);
}

static void values_say_what_they_are(void **state) {
  (void)state;
  gm_pull_reader p =
      gm_pull_begin("{\"id\": 7, \"name\": \"a\\u0301\\ud83d\\ude00\\ud83d\\u0000\\n\",\n"
                    " \"box\": [1, 2.5, -3e2, \"4\", NaN]}");
  gm_pull_value key, value;
  assert_int_equal(gm_pull_peek(&p), GM_PULL_OBJECT);
  assert_true(gm_pull_enter(&p));
  assert_true(gm_pull_member(&p, &key) && gm_pull_is(&key, "id") && !gm_pull_is(&key, "i"));
  assert_true(gm_pull_read(&p, &value));
  assert_true(gm_pull_number(&value) == 7 && value.length == 1);
  assert_true(gm_pull_member(&p, &key) && gm_pull_is(&key, "name"));
  assert_true(gm_pull_read(&p, &value) && isnan(gm_pull_number(&value)));
  char *text = gm_pull_string(&value);
  assert_string_equal(text, "a\xCC\x81\xF0\x9F\x98\x80\xEF\xBF\xBD\xEF\xBF\xBD\n");
  free(text);
  assert_true(gm_pull_member(&p, &key) && gm_pull_is(&key, "box"));
  assert_int_equal(gm_pull_line(&p), 2);
  assert_true(gm_pull_enter(&p));
  const double numbers[] = {1, 2.5, -300, NAN, NAN};
  for (size_t i = 0; i < 5; i++) {
    assert_true(gm_pull_element(&p) && gm_pull_read(&p, &value));
    double got = gm_pull_number(&value);
    assert_true(got == numbers[i] || (isnan(got) && isnan(numbers[i])));
    assert_null(i == 3 ? NULL : gm_pull_string(&value));
  }
  assert_false(gm_pull_element(&p));
  assert_false(gm_pull_member(&p, &key));
  assert_true(gm_pull_end(&p));
}

static void names_are_numbered(void **state) {
  (void)state;
  enum { N = 100000 };
  gm_name_table table = {0};
  char name[20];
  for (int round = 0; round < 2; round++)
    for (size_t i = 0; i < N; i++) {
      size_t length = (size_t)snprintf(name, sizeof name, "%zu", i * 1024);
      assert_int_equal(gm_name_table_add(&table, name, length), i);
    }
  assert_int_equal(table.n, N);
  assert_int_equal(gm_name_table_find(&table, "1024x", 4), 1);
  assert_true(gm_name_table_find(&table, "102", 3) == GM_NAME_NONE);
  assert_true(gm_name_table_find(&table, "10240", 5) == 10);
  gm_name_table_free(&table);
  assert_true(gm_name_table_find(&table, "1", 1) == GM_NAME_NONE);
}

/* Half of them decomposed; no pair may be compared, which would take minutes. */
static void names_are_numbered_by_their_forms(void **state) {
  (void)state;
  enum { N = 40000 };
  gm_name_table table = {0};
  char name[30];
  clock_t began = clock();
  for (size_t i = 0; i < N; i++) {
    snprintf(name, sizeof name, i % 2 ? "caf\xC3\xA9 %zu" : "cafe\xCC\x81 %zu", i);
    assert_int_equal(gm_name_table_add_name(&table, name), i);
  }
  for (size_t i = 0; i < N; i++) {
    snprintf(name, sizeof name, i % 2 ? "cafe\xCC\x81 %zu" : "caf\xC3\xA9 %zu", i);
    assert_int_equal(gm_name_table_add_name(&table, name), i);
    assert_int_equal(gm_name_table_find_name(&table, name), i);
  }
  assert_true(gm_name_table_find_name(&table, "cafe 1") == GM_NAME_NONE);
  assert_int_equal(gm_name_table_add_name(&table, "caf\xE9"), N); /* not UTF-8: equal only to
                                                                  itself */
  assert_int_equal(gm_name_table_find_name(&table, "caf\xE9"), N);
  assert_true(clock() - began < 20 * CLOCKS_PER_SEC);
  gm_name_table_free(&table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_is_told_from_other_text),      cmocka_unit_test(depth_is_limited),
      cmocka_unit_test(values_say_what_they_are),          cmocka_unit_test(names_are_numbered),
      cmocka_unit_test(names_are_numbered_by_their_forms),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
