/* test_text_input.c - text from outside: marks, line ends, encodings with their line, forms of
 * names, and characters that must not reach a terminal. Encodings were made by hand, from their
 * definitions. */
#include "support.h"

#include "json_file.h"

#include <stdlib.h>
#include <string.h>

#define MARK "\xEF\xBB\xBF"

typedef struct sample {
  const char *bytes;
  size_t size;
  const char *wanted; /* the text, or a part of the message */
} sample;
#define SAMPLE(literal, wanted)                                                                \
  { literal, sizeof(literal) - 1, wanted }

/* In its own block, so that a read past its end is detected. */
static gm_status import(const sample *s, char **text, size_t *length, gm_error *err) {
  *text = malloc(s->size + 1);
  assert_non_null(*text);
  memcpy(*text, s->bytes, s->size);
  *length = s->size;
  return gm_text_import(*text, length, "names.txt", err);
}

static void marks_and_line_ends(void **state) {
  (void)state;
  static const sample samples[] = {
      SAMPLE("", ""),
      SAMPLE("a\nb\n", "a\nb\n"),
      SAMPLE(MARK "green apple\r\ncrown\r\n\r\ngrapes  \r\n",
             "green apple\ncrown\n\ngrapes  \n"),
      SAMPLE("old\rmac\r", "old\nmac\n"),
      SAMPLE("a\r\r\nb\r", "a\n\nb\n"),
      SAMPLE(MARK "a\n" MARK "b", "a\nb"), /* two files one after the other */
      SAMPLE(MARK MARK "a", "a"),
      SAMPLE("a" MARK "b", "a" MARK "b"),
      SAMPLE(MARK, ""),
      SAMPLE("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80",
             "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"),
      SAMPLE("12345678\x01\x7F"
             "345678",
             "12345678\x01\x7F"
             "345678"),
  };
  for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
    gm_error err = {0};
    char *text;
    size_t length;
    assert_ok(import(&samples[i], &text, &length, &err), &err);
    assert_string_equal(text, samples[i].wanted);
    assert_int_equal(length, strlen(samples[i].wanted));
    free(text);
  }
}

static void other_encodings_are_refused_with_their_line(void **state) {
  (void)state;
  static const sample samples[] = {
      SAMPLE("\xFF\xFE"
             "a\0\r\0\n\0",
             "names.txt: line 1: found UTF-16"),
      SAMPLE("\xFE\xFF"
             "\0a",
             "line 1: found UTF-16"),
      SAMPLE("\xFF\xFE\0\0"
             "a\0\0\0",
             "line 1: found UTF-32"),
      SAMPLE("\0\0\xFE\xFF\0\0\0a", "line 1: found UTF-32"),
      SAMPLE("a\0b\0", "line 1: found zero bytes as in UTF-16LE"),
      SAMPLE("\0a\0b", "line 1: found zero bytes as in UTF-16BE"),
      SAMPLE("\0a\0b", "iconv -f UTF-16BE -t UTF-8"),
      SAMPLE("a\0\0\0b\0\0\0", "line 1: found zero bytes as in UTF-32LE"),
      SAMPLE("\0\0\0a\0\0\0b", "line 1: found zero bytes as in UTF-32BE"),
      SAMPLE("one\ntwo\nth\0ree", "line 3: found a zero byte"),
      SAMPLE("eight of\r\nthem\rcaf\xE9", "names.txt: line 3: found the byte 0xE9"),
      SAMPLE("\x93quoted\x94", "line 1: found the byte 0x93"),
      SAMPLE("\xC0\xAF", "line 1: found the byte 0xC0"),                  /* overlong */
      SAMPLE("a\n\xED\xA0\x80", "line 2: found the byte 0xED"),           /* a surrogate */
      SAMPLE("\xF4\x90\x80\x80", "line 1: found the byte 0xF4"),          /* above U+10FFFF */
      SAMPLE("1234567\n12345678\xE4\xB8", "line 2: found the byte 0xE4"), /* cut */
  };
  for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
    gm_error err = {0};
    char *text;
    size_t length;
    assert_int_equal(import(&samples[i], &text, &length, &err), GM_ERR_ARGUMENT);
    if (!strstr(err.message, samples[i].wanted) || !strstr(err.message, "UTF-8"))
      fail_msg("sample %zu: %s", i, err.message);
    free(text);
  }
}

static void json_of_a_model(void **state) {
  (void)state;
  gm_error err = {0};
  json_t *root;
  const char good[] = MARK "{\"a\": 1}\r\n", wide[] = "\xFF\xFE{\0}\0",
             latin[] = "{\n\"a\": \"\xE9\"}";
  assert_ok(gm_json_parse(&root, good, sizeof good - 1, "c.json", &err), &err);
  assert_int_equal(json_integer_value(json_object_get(root, "a")), 1);
  json_decref(root);
  assert_int_equal(gm_json_parse(&root, wide, sizeof wide - 1, "c.json", &err), GM_ERR_MODEL);
  assert_non_null(strstr(err.message, "c.json: line 1: found UTF-16"));
  assert_int_equal(gm_json_parse(&root, latin, sizeof latin - 1, "c.json", &err), GM_ERR_MODEL);
  assert_non_null(strstr(err.message, "c.json: line 2: found the byte 0xE9"));
}

static void names_compare_in_nfc(void **state) {
  (void)state;
  assert_int_equal(gm_name_compare("caf\xC3\xA9", "cafe\xCC\x81"), 0);
  assert_int_equal(gm_name_compare("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C"), 0);
  assert_int_equal(gm_name_compare("\xE2\x84\xAB", "\xC3\x85"), 0); /* Angstrom */
  assert_int_not_equal(gm_name_compare("\xEF\xAC\x81", "fi"), 0);   /* no NFKC */
  assert_int_not_equal(gm_name_compare("Caf\xC3\xA9", "caf\xC3\xA9"), 0);
  assert_true(gm_name_compare("a", "b") < 0 && gm_name_compare("b", "a") > 0);
  assert_true(gm_name_compare("a", "caf\xC3\xA9") < 0);
  assert_int_equal(gm_name_compare("\xFF", "\xFF"), 0);
}

static void controls_are_told(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint32_t code;
    size_t length;
    bool safe;
  } cases[] = {
      {"a", 'a', 1, true},
      {"\n", '\n', 1, false},
      {"\x1B[31m", 0x1B, 1, false},
      {"\x7F", 0x7F, 1, false},
      {"\xC2\x9B"
       "31m",
       0x9B, 2, false},
      {"\x9B", 0xFFFD, 1, false},
      {"\xC2\xA0", 0xA0, 2, true},
      {"\xE2\x80\xAE", 0x202E, 3, false},
      {"\xE2\x80\xAA", 0x202A, 3, false},
      {"\xE2\x81\xA6", 0x2066, 3, false},
      {"\xE2\x81\xA9", 0x2069, 3, false},
      {"\xE2\x80\xA8", 0x2028, 3, false},
      {"\xE2\x80\x8D", 0x200D, 3, true}, /* joins emoji */
      {"\xEF\xBF\xBD", 0xFFFD, 3, true},
      {"\xF0\x9F\x98\x80", 0x1F600, 4, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint32_t code;
    bool safe;
    size_t n = gm_text_next(cases[i].text, strlen(cases[i].text), &code, &safe);
    assert_int_equal(n, cases[i].length);
    assert_int_equal(code, cases[i].code);
    assert_int_equal(safe, cases[i].safe);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(marks_and_line_ends),
      cmocka_unit_test(other_encodings_are_refused_with_their_line),
      cmocka_unit_test(json_of_a_model),
      cmocka_unit_test(names_compare_in_nfc),
      cmocka_unit_test(controls_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
