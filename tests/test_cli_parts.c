/* test_cli_parts.c - the program's parts that need no model: box formats and the ledger. */
#include "support.h"

#include "arguments.h"
#include "box_format.h"
#include "ledger.h"

#include <math.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A 200 x 100 picture; the box spans 20..60 and 10..50: by hand in each format. */
static const struct {
  cli_box_format format;
  const char *text;
  double numbers[4];
} cases[] = {
    {BOX_XYXY, "20,10,60,50", {20, 10, 60, 50}},
    {BOX_XYWH, "20, 10, 40, 40", {20, 10, 40, 40}},
    {BOX_XYXYN, "0.1,0.1,0.3,0.5", {0.1, 0.1, 0.3, 0.5}},
    {BOX_CXCYWHN, "0.2,0.3,0.2,0.4", {0.2, 0.3, 0.2, 0.4}},
    {BOX_QWEN3, "100,100,300,500", {100, 100, 300, 500}},
};

static void every_format_goes_both_ways(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    double in[4], out[4];
    gm_box box;
    assert_true(cli_parse_box(cases[i].text, in));
    assert_true(cli_box_to_pixels(cases[i].format, in, 200, 100, &box));
    /* float holds 60 to 4e-6 */
    assert_true(fabsf(box.x1 - 20) < 1e-4F && fabsf(box.y1 - 10) < 1e-4F);
    assert_true(fabsf(box.x2 - 60) < 1e-4F && fabsf(box.y2 - 50) < 1e-4F);
    cli_box_from_pixels(cases[i].format, box, 200, 100, out);
    for (int k = 0; k < 4; k++) assert_true(fabs(out[k] - cases[i].numbers[k]) < 1e-9);
  }
}

static void boxes_are_clipped_and_bad_ones_refused(void **state) {
  (void)state;
  double numbers[4];
  gm_box box;
  assert_true(cli_parse_box("-5,-5,1000,20.5", numbers));
  assert_true(cli_box_to_pixels(BOX_XYXY, numbers, 200, 100, &box));
  assert_true(box.x1 == 0 && box.y1 == 0 && box.x2 == 200 && box.y2 == 20.5F);
  const char *bad[] = {"",          "1,2,3",     "1,2,3,4,5", "1,2,3,x",
                       "nan,1,2,3", "inf,0,1,1", "1 2 3 4"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(cli_parse_box(bad[i], numbers));
  const char *empty[] = {"10,10,10,20", "30,10,20,20", "300,10,400,20", "-9,-9,-1,-1"};
  for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
    assert_true(cli_parse_box(empty[i], numbers));
    assert_false(cli_box_to_pixels(BOX_XYXY, numbers, 200, 100, &box));
  }
}

static void hex_key(char key[65], char digit) {
  memset(key, digit, 64);
  key[64] = 0;
}

/* A run's settings; the caller's. */
static json_t *settings(double conf) {
  return json_pack("{s:s, s:f}", "the command", "detect", "--conf", conf);
}

static cli_ledger *opened(const char *path, json_t *run, bool resume, bool retry) {
  cli_ledger *ledger;
  assert_int_equal(cli_ledger_open(path, run, resume, retry, &ledger), CLI_DONE);
  return ledger;
}

static char *slurp(const char *path) {
  return test_read_file(path, NULL);
}

/* A run that was killed after a line without its ledger entry, and in the middle of the next.
 */
static void a_killed_run_resumes_to_the_same_bytes(void **state) {
  (void)state;
  char folder[] = "/tmp/gromatic-test-XXXXXX", path[64], part[80], list[80], key[65];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/out.jsonl", folder);
  snprintf(part, sizeof part, "%s.part", path);
  snprintf(list, sizeof list, "%s.ledger", path);

  json_t *run = settings(0.3), *other = settings(0.5);
  cli_ledger *ledger = opened(path, run, false, false);
  hex_key(key, 'a');
  assert_true(cli_ledger_write(ledger, key, "{\"a\":1}", false));
  hex_key(key, 'b');
  assert_true(cli_ledger_write(ledger, key, "{\"b\":1}", false));
  assert_true(cli_ledger_close(ledger, false, true));
  assert_int_not_equal(access(path, F_OK), 0);

  FILE *file = fopen(part, "a");
  fputs("{\"c\":1}\n{\"d\"", file);
  fclose(file);
  file = fopen(list, "a");
  fputs("ccccc", file);
  fclose(file);

  /* Begun anew it would be lost. */
  assert_int_equal(cli_ledger_open(path, run, false, false, &ledger), CLI_USAGE);

  ledger = opened(path, run, true, false);
  hex_key(key, 'b');
  assert_true(cli_ledger_take(ledger, key));
  assert_false(cli_ledger_take(ledger, key)); /* one line, one picture */
  hex_key(key, 'c');
  assert_false(cli_ledger_take(ledger, key));
  assert_true(cli_ledger_write(ledger, key, "{\"c\":1}", false));
  assert_true(cli_ledger_close(ledger, true, true));
  char *text = slurp(path);
  assert_string_equal(text, "{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n");
  free(text);

  /* Another run's settings are refused, and nothing is changed. */
  assert_int_equal(cli_ledger_open(path, other, true, false, &ledger), CLI_USAGE);
  assert_null(ledger);

  /* A finished run can be extended, and a fresh one replaces it. */
  ledger = opened(path, run, true, false);
  assert_true(cli_ledger_take(ledger, key));
  hex_key(key, 'd');
  assert_true(cli_ledger_write(ledger, key, "{\"d\":1}", false));
  assert_true(cli_ledger_close(ledger, true, true));
  text = slurp(path);
  assert_string_equal(text, "{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n{\"d\":1}\n");
  free(text);
  ledger = opened(path, run, false, false);
  assert_true(cli_ledger_write(ledger, key, "{\"new\":1}", false));
  assert_true(cli_ledger_close(ledger, true, true));
  text = slurp(path);
  assert_string_equal(text, "{\"new\":1}\n");
  free(text);
  json_decref(run);
  json_decref(other);
  unlink(path);
  unlink(list);
  rmdir(folder);
}

/* The failed line goes, the others stay in their order; what is finished leaves no ledger. */
static void failures_are_tried_again(void **state) {
  (void)state;
  char folder[] = "/tmp/gromatic-test-XXXXXX", path[64], list[80], key[65];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/out.jsonl", folder);
  snprintf(list, sizeof list, "%s.ledger", path);
  json_t *run = settings(0.3);
  cli_ledger *ledger = opened(path, run, false, false);
  for (char c = 'a'; c <= 'c'; c++) {
    char line[16];
    snprintf(line, sizeof line, "{\"%c\":1}", c);
    hex_key(key, c);
    assert_true(cli_ledger_write(ledger, key, line, c == 'b'));
  }
  assert_true(cli_ledger_close(ledger, true, true));

  ledger = opened(path, run, true, false); /* not unless told to */
  hex_key(key, 'b');
  assert_true(cli_ledger_take(ledger, key));
  assert_true(cli_ledger_close(ledger, false, true));

  ledger = opened(path, run, true, true);
  assert_false(cli_ledger_take(ledger, key));
  assert_true(cli_ledger_write(ledger, key, "{\"b\":2}", false));
  assert_true(cli_ledger_close(ledger, false, true));
  ledger = opened(path, run, true, true); /* stopped before it was finished */
  for (char c = 'a'; c <= 'c'; c++) {
    hex_key(key, c);
    assert_true(cli_ledger_take(ledger, key));
  }
  assert_true(cli_ledger_close(ledger, true, false));
  char *text = slurp(path);
  assert_string_equal(text, "{\"a\":1}\n{\"c\":1}\n{\"b\":2}\n");
  free(text);
  assert_int_not_equal(access(list, F_OK), 0);
  json_decref(run);
  unlink(path);
  assert_int_equal(rmdir(folder), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_format_goes_both_ways),
      cmocka_unit_test(boxes_are_clipped_and_bad_ones_refused),
      cmocka_unit_test(a_killed_run_resumes_to_the_same_bytes),
      cmocka_unit_test(failures_are_tried_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
