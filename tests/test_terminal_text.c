/* test_terminal_text.c - text for a terminal, and its columns: by Unicode's East Asian Width,
 * and two for an emoji of any number of code points. */
#include "support.h"

#include "terminal_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void columns_are_those_seen(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t width;
  } cases[] = {
      {"", 0},
      {"green apple", 11},
      {"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", 6}, /* three ideographs */
      {"\xEF\xBD\xB1", 1},                         /* halfwidth katakana */
      {"caf\xC3\xA9", 4},
      {"cafe\xCC\x81", 4},                         /* with a combining accent */
      {"\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", 2}, /* Hangul in parts */
      {"\xE0\xB8\x81\xE0\xB8\xB3", 2},             /* Thai */
      {"\xF0\x9F\xA6\x80", 2},                     /* a crab */
      {"\xE2\x9D\xA4\xEF\xB8\x8F", 2},             /* a heart, as a picture */
      {"\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD", 2},     /* a thumb with a colour */
      {"\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA", 2},     /* a flag */
      {"\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA\xF0\x9F\x87\xAB\xF0\x9F\x87\xB7", 4}, /* two */
      {"\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",
       2},                                                     /* family */
      {"\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8D\xE0\xA4\xB7", 2}, /* Devanagari with a joiner */
      {"a\xFF\x1B", 3},                                        /* two question marks */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    if (cli_text_width(cases[i].text) != cases[i].width)
      fail_msg("'%s': %zu columns, wanted %zu", cases[i].text, cli_text_width(cases[i].text),
               cases[i].width);
}

static void columns_are_filled_up(void **state) {
  (void)state;
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  cli_put_column(out, "\xE6\x97\xA5", 4);
  fputc('|', out);
  cli_put_column(out, "e\xCC\x81", 4);
  fputc('|', out);
  cli_put_column(out, "longer", 4);
  fputc('|', out);
  fclose(out);
  assert_string_equal(text, "\xE6\x97\xA5  |e\xCC\x81   |longer|");
  free(text);
}

static void nothing_steers(void **state) {
  (void)state;
  static const char evil[] = "a\x1B]0;title\x07\r\nb\x7F\xC2\x9B"
                             "c\x9B\xE2\x80\xAE\td";
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  cli_put_text(out, evil, strlen(evil));
  fputc('|', out);
  cli_put_name(out, evil);
  fputc('|', out);
  cli_print(out, "<%s>", evil);
  fclose(out);
  assert_string_equal(text, "a?]0;title?\r\nb??c??\td|a?]0;title???b??c???d|"
                            "<a?]0;title?\r\nb??c??\td>");
  free(text);
}

static void json_means_the_same(void **state) {
  (void)state;
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  assert_true(cli_put_json(out, "{\"a\":\"\x7F\xC2\x9B\xE2\x80\xAE\xC3\xA9\\n\"}"));
  fclose(out);
  assert_string_equal(text, "{\"a\":\"\\u007f\\u009b\\u202e\xC3\xA9\\n\"}\n");
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(columns_are_those_seen),
      cmocka_unit_test(columns_are_filled_up),
      cmocka_unit_test(nothing_steers),
      cmocka_unit_test(json_means_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
