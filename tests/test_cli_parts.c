/* test_cli_parts.c - the program's parts that need no model: box formats and the ledger. */
#include "support.h"

#include "arguments.h"
#include "box_format.h"
#include "file_names.h"
#include "ledger.h"
#include "lock_file.h"
#include "option_rows.h"
#include "options.h"
#include "run_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* A 200 x 100 picture; the box spans 20..60 and 10..50: by hand in each format. */
static const struct {
  out_box_format format;
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
    assert_true(out_parse_box(cases[i].text, in));
    assert_true(out_box_to_pixels(cases[i].format, in, 200, 100, &box));
    /* float holds 60 to 4e-6 */
    assert_true(fabsf(box.x1 - 20) < 1e-4F && fabsf(box.y1 - 10) < 1e-4F);
    assert_true(fabsf(box.x2 - 60) < 1e-4F && fabsf(box.y2 - 50) < 1e-4F);
    out_box_from_pixels(cases[i].format, box, 200, 100, out);
    for (int k = 0; k < 4; k++) assert_true(fabs(out[k] - cases[i].numbers[k]) < 1e-9);
  }
}

static void boxes_are_clipped_and_bad_ones_refused(void **state) {
  (void)state;
  double numbers[4];
  gm_box box;
  assert_true(out_parse_box("-5,-5,1000,20.5", numbers));
  assert_true(out_box_to_pixels(BOX_XYXY, numbers, 200, 100, &box));
  assert_true(box.x1 == 0 && box.y1 == 0 && box.x2 == 200 && box.y2 == 20.5F);
  const char *bad[] = {"",          "1,2,3",     "1,2,3,4,5", "1,2,3,x",
                       "nan,1,2,3", "inf,0,1,1", "1 2 3 4"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(out_parse_box(bad[i], numbers));
  const char *empty[] = {"10,10,10,20", "30,10,20,20", "300,10,400,20", "-9,-9,-1,-1"};
  for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
    assert_true(out_parse_box(empty[i], numbers));
    assert_false(out_box_to_pixels(BOX_XYXY, numbers, 200, 100, &box));
  }
}

static void names_are_made_plain(void **state) {
  (void)state;
  static const char *const names[][2] = {{"./a//b/./c.png", "a/b/c.png"},
                                         {"a/b", "a/b"},
                                         {"././a", "a"},
                                         {".//a", "a"},
                                         {"/a/../b", "/a/../b"},
                                         {"//a", "/a"},
                                         {".a/.b", ".a/.b"},
                                         {"../a", "../a"},
                                         {"a./b", "a./b"},
                                         {"a/../b", "a/../b"},
                                         {"-", "-"},
                                         {"", ""}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char *plain = cli_plain_name(names[i][0]);
    assert_string_equal(plain, names[i][1]);
    free(plain);
  }
}

/* ---- the effect of options ---- */

static void every_option_says_what_it_changes(void **state) {
  (void)state;
  for (const cli_option_row *row = cli_option_rows; row->name; row++)
    if (row->changes == CHANGES_UNSAID) fail_msg("--%s", row->name);
}

/* Settings of the command with one option; without an option if row is NULL. */
static json_t *settings_with(const cli_command *command, const cli_option_row *row,
                             const char *file) {
  char given[200];
  const char *value = "0.25"; /* not the default of any option, within the range of all */
  if (row && row->kind != NUMBER) value = row->kind == TEXT ? "text" : "7";
  if (row && row->changes == CHANGES_FILE) value = file;
  snprintf(given, sizeof given, "--%s%s%s", row ? row->name : "", row && row->value ? "=" : "",
           row && row->value ? value : "");
  char *argv[] = {(char *)(uintptr_t)command->name, given, NULL};
  cli_args args;
  assert_int_equal(cli_parse(command, row ? 2 : 1, argv, &args), CLI_DONE);
  json_t *settings = cli_option_settings(command, &args, NULL);
  cli_args_free(&args);
  assert_non_null(settings);
  return settings;
}

static void check_option(const cli_command *command, const cli_option_row *row,
                         const char *file) {
  bool counted = row->changes == CHANGES_RESULT || row->changes == CHANGES_FILE ||
                 row->changes == CHANGES_LIMIT;
  json_t *without = settings_with(command, NULL, file),
         *with = settings_with(command, row, file);
  if (json_equal(without, with) == counted) fail_msg("%s --%s", command->name, row->name);
  bool limits;
  char *difference = cli_settings_difference(without, with, &limits), wanted[80];
  snprintf(wanted, sizeof wanted, "--%s not given, now ", row->name);
  if (counted && strncmp(difference, wanted, strlen(wanted)) != 0)
    fail_msg("%s: '%s', wanted '%s...'", command->name, difference, wanted);
  if (counted) assert_int_equal(limits, row->changes == CHANGES_LIMIT);
  free(difference);
  json_decref(without);
  json_decref(with);
}

/* Every option of every command: it is among the settings exactly if it changes the result. */
static void settings_are_the_options_that_change_the_result(void **state) {
  (void)state;
  char file[] = "/tmp/gromatic-test-XXXXXX";
  int fd = mkstemp(file);
  assert_true(fd >= 0 && write(fd, "{}", 2) == 2);
  close(fd);
  for (const cli_command *command = cli_commands; command->name; command++)
    for (const cli_option_row *row = cli_option_rows; row->name; row++)
      if (cli_option_admitted(command, row)) check_option(command, row, file);
  unlink(file);
}

/* Options whose value is more than the typed words. */
static void own_settings_stand_for_options(void **state) {
  (void)state;
  const cli_command *command = cli_command_named("classify");
  char name[] = "classify", classes[] = "--classes=a.txt", explain[] = "--explain=why.png";
  char *argv[] = {name, classes, explain, NULL};
  cli_args args;
  assert_int_equal(cli_parse(command, 3, argv, &args), CLI_DONE);
  json_t *own = json_pack("{s:[s], s:n, s:s}", "--classes", "dog", "--explain", "more", "m");
  json_t *found = cli_option_settings(command, &args, own);
  json_t *wanted = json_pack("{s:s, s:[s], s:s}", "the command", "classify", "--classes", "dog",
                             "more", "m");
  assert_true(json_equal(found, wanted));
  json_decref(own);
  json_decref(found);
  json_decref(wanted);
  cli_args_free(&args);
}

static void another_version_is_told_alone(void **state) {
  (void)state;
  bool limits;
  json_t *before = json_pack("{s:s, s:f}", "gromatic", "0.9", "--conf", 0.5);
  json_t *now = json_pack("{s:s, s:f}", "gromatic", "1.0", "--iou", 0.5);
  char *told = cli_settings_difference(before, now, &limits);
  assert_string_equal(told, "gromatic \"0.9\", now \"1.0\"");
  assert_false(limits);
  free(told);
  json_decref(before);
  json_decref(now);
}

/* ---- the ledger ---- */

static const ledger_wish anew = {false, false, false}, go_on = {true, false, false},
                         retry = {true, true, false}, forced = {false, false, true};

/* The files of one output, in their own folder. */
typedef struct output {
  char folder[32], path[48], list[64], part[64], part_list[80];
} output;

static output new_output(void) {
  output o = {.folder = "/tmp/gromatic-test-XXXXXX"};
  assert_non_null(mkdtemp(o.folder));
  snprintf(o.path, sizeof o.path, "%s/out.jsonl", o.folder);
  snprintf(o.list, sizeof o.list, "%s.ledger", o.path);
  snprintf(o.part, sizeof o.part, "%s.part", o.path);
  snprintf(o.part_list, sizeof o.part_list, "%s.ledger", o.part);
  return o;
}

/* Removes the files that may be left, and nothing else. */
static void remove_output(const output *o) {
  unlink(o->path);
  unlink(o->list);
  unlink(o->part);
  unlink(o->part_list);
  assert_int_equal(rmdir(o->folder), 0);
}

static bool is_there(const char *path) {
  return access(path, F_OK) == 0;
}

static void append(const char *path, const char *text) {
  FILE *file = fopen(path, "a");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void assert_text(const char *path, const char *wanted) {
  char *text = test_read_file(path, NULL);
  assert_string_equal(text, wanted);
  free(text);
}

/* A run's settings, owned by the caller. */
static json_t *settings(double conf, int max_pixels) {
  return json_pack("{s:s, s:f, s:i}", "the command", "detect", "--conf", conf, "--max-pixels",
                   max_pixels);
}

/* Opens and begins; NULL if that is refused. */
static cli_ledger *opened(const output *o, json_t *run, ledger_wish wish) {
  cli_ledger *ledger;
  if (cli_ledger_open(o->path, wish, &ledger) != CLI_DONE) return NULL;
  if (cli_ledger_begin(ledger, run) == CLI_DONE) return ledger;
  cli_ledger_close(ledger);
  return NULL;
}

static void put(cli_ledger *ledger, char letter, const char *line, bool failed) {
  char key[65] = "";
  memset(key, letter, 64);
  assert_true(cli_ledger_write(ledger, key, line, failed));
}

static bool took(cli_ledger *ledger, char letter) {
  char key[65] = "";
  bool failed;
  memset(key, letter, 64);
  return cli_ledger_take(ledger, key, &failed);
}

static void finish(cli_ledger *ledger) {
  assert_true(cli_ledger_finish(ledger));
  cli_ledger_close(ledger);
}

/* A run that was killed after a line without its ledger entry, and in the middle of the next.
 */
static void a_killed_run_resumes_to_the_same_bytes(void **state) {
  (void)state;
  output o = new_output();
  json_t *run = settings(0.3, 0), *other = settings(0.5, 0);
  cli_ledger *ledger = opened(&o, run, anew);
  put(ledger, 'a', "{\"a\":1}", false);
  put(ledger, 'b', "{\"b\":1}", false);
  cli_ledger_close(ledger);
  assert_false(is_there(o.path));
  append(o.part, "{\"c\":1}\n{\"d\"");
  append(o.part_list, "ccccc");

  assert_null(opened(&o, run, anew)); /* it would be lost */
  assert_null(opened(&o, other, go_on));
  ledger = opened(&o, run, go_on);
  assert_true(took(ledger, 'b'));
  assert_false(took(ledger, 'b')); /* one line, one picture */
  assert_false(took(ledger, 'c'));
  put(ledger, 'c', "{\"c\":1}", false);
  finish(ledger);
  assert_text(o.path, "{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n");

  /* Another run's settings are refused, and nothing is changed. */
  assert_null(opened(&o, other, go_on));
  assert_text(o.path, "{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n");
  assert_false(is_there(o.part_list));

  /* A finished run is extended, and stays whole until that is done; a fresh one replaces it. */
  ledger = opened(&o, run, go_on);
  assert_true(took(ledger, 'c'));
  put(ledger, 'd', "{\"d\":1}", false);
  assert_text(o.path, "{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n");
  finish(ledger);
  assert_text(o.path, "{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n{\"d\":1}\n");
  ledger = opened(&o, other, anew);
  put(ledger, 'd', "{\"new\":1}", false);
  finish(ledger);
  assert_text(o.path, "{\"new\":1}\n");
  json_decref(run);
  json_decref(other);
  remove_output(&o);
}

/* The failed line is removed, the others stay in order. */
static void failures_are_tried_again(void **state) {
  (void)state;
  output o = new_output();
  json_t *run = settings(0.3, 0);
  cli_ledger *ledger = opened(&o, run, anew);
  put(ledger, 'a', "{\"a\":1}", false);
  put(ledger, 'b', "{\"b\":1}", true);
  put(ledger, 'c', "{\"c\":1}", false);
  finish(ledger);

  ledger = opened(&o, run, go_on); /* not unless told to */
  assert_true(took(ledger, 'b'));
  cli_ledger_close(ledger);

  ledger = opened(&o, run, retry);
  assert_false(took(ledger, 'b'));
  put(ledger, 'b', "{\"b\":2}", false);
  cli_ledger_close(ledger);
  ledger = opened(&o, run, retry); /* stopped before it was finished */
  assert_true(took(ledger, 'a') && took(ledger, 'b') && took(ledger, 'c'));
  finish(ledger);
  assert_text(o.path, "{\"a\":1}\n{\"c\":1}\n{\"b\":2}\n");
  assert_true(is_there(o.list));
  json_decref(run);
  remove_output(&o);
}

/* A changed limit that affects failures is accepted if no failure is left from before. */
static void a_raised_limit_is_for_failures(void **state) {
  (void)state;
  output o = new_output();
  json_t *low = settings(0.3, 100), *high = settings(0.3, 200), *both = settings(0.5, 300);
  cli_ledger *ledger = opened(&o, low, anew);
  put(ledger, 'a', "{\"a\":1}", false);
  put(ledger, 'b', "{\"b\":1}", true);
  finish(ledger);
  assert_null(opened(&o, high, go_on));
  assert_null(opened(&o, both, retry));
  ledger = opened(&o, high, retry);
  assert_non_null(ledger);
  assert_false(took(ledger, 'b'));
  put(ledger, 'b', "{\"b\":2}", false);
  finish(ledger);
  ledger = opened(&o, low, go_on); /* no failure is there */
  assert_non_null(ledger);
  finish(ledger);
  assert_text(o.path, "{\"a\":1}\n{\"b\":2}\n");
  json_decref(low);
  json_decref(high);
  json_decref(both);
  remove_output(&o);
}

/* A result that does not belong to its ledger is neither resumed nor replaced, except with
 * force. */
static void a_result_needs_its_own_ledger(void **state) {
  (void)state;
  json_t *run = settings(0.3, 0);
  const ledger_wish wishes[] = {anew, go_on, retry};
  for (int kind = 0; kind < 4; kind++) {
    output o = new_output();
    cli_ledger *ledger = opened(&o, run, anew);
    put(ledger, 'a', "{\"a\":1}", false);
    put(ledger, 'b', "{\"b\":1}", false);
    finish(ledger);
    const char *text = "{\"a\":1}\n{\"b\":1}\n";
    if (kind == 0) {
      unlink(o.list);
    } else if (kind == 1) {
      append(o.path, "x");
      text = "{\"a\":1}\n{\"b\":1}\nx";
    } else if (kind == 2) {
      unlink(o.path);
      append(o.path, text = "{\"a\":1}\n{\"b\":2}\n"); /* of the same size */
    } else {
      unlink(o.list);
      append(o.list, "run {\"--conf\":0.3}\n"); /* an older version's */
    }
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
      assert_null(opened(&o, run, wishes[i]));
    assert_text(o.path, text);
    ledger = opened(&o, run, forced);
    assert_non_null(ledger);
    put(ledger, 'c', "{\"c\":1}", false);
    finish(ledger);
    assert_text(o.path, "{\"c\":1}\n");
    remove_output(&o);
  }
  json_decref(run);
}

/* The same for the lines of an interrupted run. */
static void a_part_needs_its_own_ledger(void **state) {
  (void)state;
  json_t *run = settings(0.3, 0), *other = settings(0.5, 0);
  const ledger_wish both = {true, false, true};
  for (int kind = 0; kind < 5; kind++) {
    output o = new_output();
    cli_ledger *ledger = opened(&o, run, anew);
    put(ledger, 'a', "{\"a\":1}", false);
    put(ledger, 'b', "{\"b\":1}", false);
    cli_ledger_close(ledger);
    if (kind == 0) unlink(o.part_list);
    if (kind == 1 || kind == 3) unlink(o.part);
    if (kind == 1) append(o.part, "{\"x\":1}\n{\"b\":1}\n");
    if (kind == 2) assert_int_equal(truncate(o.part, 10), 0);
    json_t *now = kind == 4 ? other : run;
    ledger = opened(&o, now, go_on);
    if (kind == 2) { /* the existing lines stay */
      assert_true(took(ledger, 'a'));
      assert_false(took(ledger, 'b'));
    } else {
      assert_null(ledger);
    }
    cli_ledger_close(ledger);
    ledger = opened(&o, now, both);
    assert_int_equal(took(ledger, 'a'), kind == 2);
    finish(ledger);
    remove_output(&o);
  }
  json_decref(run);
  json_decref(other);
}

/* A finished run removes the lock that it holds. A run that opened the file before then finds
 * that it has no name, and tries again. */
static void a_lock_without_a_name_is_none(void **state) {
  (void)state;
  output o = new_output();
  int first = cli_lock_take(o.path);
  assert_true(first >= 0);
  assert_int_equal(cli_lock_take(o.path), -1);
  assert_int_equal(errno, EWOULDBLOCK);
  int late = open(o.path, O_RDWR); /* before the first one has finished */
  cli_lock_release(first, o.path);
  assert_false(is_there(o.path));
  assert_int_equal(flock(late, LOCK_EX | LOCK_NB), 0); /* a dead one */
  int second = cli_lock_take(o.path);
  assert_true(second >= 0);
  cli_lock_release(late, o.path); /* the name is not its own any more */
  assert_true(is_there(o.path));
  assert_int_equal(cli_lock_take(o.path), -1);
  cli_lock_release(second, o.path);
  remove_output(&o);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_format_goes_both_ways),
      cmocka_unit_test(boxes_are_clipped_and_bad_ones_refused),
      cmocka_unit_test(names_are_made_plain),
      cmocka_unit_test(every_option_says_what_it_changes),
      cmocka_unit_test(settings_are_the_options_that_change_the_result),
      cmocka_unit_test(own_settings_stand_for_options),
      cmocka_unit_test(another_version_is_told_alone),
      cmocka_unit_test(a_killed_run_resumes_to_the_same_bytes),
      cmocka_unit_test(failures_are_tried_again),
      cmocka_unit_test(a_raised_limit_is_for_failures),
      cmocka_unit_test(a_result_needs_its_own_ledger),
      cmocka_unit_test(a_part_needs_its_own_ledger),
      cmocka_unit_test(a_lock_without_a_name_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
