/* test_read_ahead.c - samples with their pixels, made ahead: the same ones in the same order
 * for any number of threads and after a break; pictures that cannot be used are replaced. */
#include "support.h"

#include "read_ahead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 4, SIDE = 32 };

static gm_error err;
static gm_data_report report;
static char path[] = "/tmp/gm-ahead-XXXXXX";

static gm_data_set *load(const char *file, gm_task task) {
  gm_data_set *set;
  const gm_data_rules rules = {0};
  gm_data_spec spec = {.name = "s",
                       .file = (char *)file,
                       .images = (char *)test_data("world/scenes/images"),
                       .task = task,
                       .share = 1};
  report = (gm_data_report){0};
  assert_ok(gm_data_set_load(&set, &spec, &rules, &report, &err), &err);
  return set;
}

static gm_data_set *whole_set(void) {
  return load(test_data("world/scenes/annotations.json"), GM_TASK_DETECT);
}

/* A set of CHUNK pictures, each with one box. */
static gm_data_set *small_set(const char *const *names, gm_task task) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs("{\"categories\": [{\"id\": 0, \"name\": \"x\"}], \"images\": [", file);
  for (int i = 0; i < CHUNK; i++)
    fprintf(file, "%s{\"id\": %d, \"file_name\": \"%s\", \"width\": 224, \"height\": 224}",
            i ? ", " : "", i, names[i]);
  fputs("], \"annotations\": [", file);
  for (int i = 0; i < CHUNK; i++)
    fprintf(file, "%s{\"image_id\": %d, \"category_id\": 0, \"bbox\": [10, 20, 150, 180]}",
            i ? ", " : "", i);
  fputs("]}", file);
  assert_int_equal(fclose(file), 0);
  return load(path, task);
}

typedef struct fixture {
  const gm_data_set *set;
  gm_batches *batches;
  gm_read_ahead *ahead;
} fixture;

static void start(fixture *f, gm_data_set *set, unsigned threads, bool augment,
                  gm_place place) {
  size_t n = set->n_pictures;
  f->set = set;
  assert_ok(gm_batches_create(&f->batches, &n, NULL, 1, CHUNK, 11, &err), &err);
  assert_ok(gm_batches_seek(f->batches, place, &err), &err);
  gm_read_ahead_params p = {.sets = &f->set,
                            .batches = f->batches,
                            .chunk_size = CHUNK,
                            .seed = 11,
                            .visit = {.side = SIDE},
                            .norm = {{0, 0, 0}, {1, 1, 1}},
                            .augment = augment,
                            .threads = threads,
                            .ahead = 2,
                            .report = &report};
  assert_ok(gm_read_ahead_start(&f->ahead, &p, &err), &err);
}

static void stop(fixture *f) {
  gm_read_ahead_free(f->ahead);
  gm_batches_free(f->batches);
}

/* What a chunk holds, in one number. */
static uint64_t sum_of(const gm_item *items) {
  uint64_t sum = 0;
  for (size_t i = 0; i < CHUNK; i++) {
    const gm_sample *s = &items[i].sample;
    assert_true(items[i].has_pixels && s->n_boxes > 0);
    sum = gm_mix64(sum ^ gm_fnv1a(items[i].pixels, 3 * SIDE * SIDE * sizeof(float)));
    sum = gm_mix64(sum ^ gm_fnv1a(s->boxes, s->n_boxes * sizeof *s->boxes));
    sum = gm_mix64(sum ^ gm_fnv1a(s->image, strlen(s->image)));
  }
  return sum;
}

static uint64_t next_sum(fixture *f) {
  const gm_item *items;
  assert_ok(gm_read_ahead_next(f->ahead, &items, &err), &err);
  return sum_of(items);
}

enum { CHUNKS = 8 };

static void threads_do_not_change_the_samples(void **state) {
  (void)state;
  gm_data_set *set = whole_set();
  uint64_t sums[CHUNKS];
  fixture f;
  gm_place place = {0};
  for (unsigned threads = 1; threads <= 3; threads++) {
    start(&f, set, threads, true, (gm_place){0});
    for (int c = 0; c < CHUNKS; c++) {
      if (c == 5) place = gm_read_ahead_place(f.ahead);
      uint64_t sum = next_sum(&f);
      if (threads == 1) sums[c] = sum;
      assert_true(sums[c] == sum);
      assert_true(c == 0 || sums[c] != sums[c - 1]);
    }
    stop(&f);
  }
  start(&f, set, 2, true, place);
  for (int c = 5; c < CHUNKS; c++) assert_true(next_sum(&f) == sums[c]);
  stop(&f);
  gm_data_set_free(set);
}

static void broken_pictures_are_replaced(void **state) {
  (void)state;
  static const char *const one[CHUNK] = {"000.png", "none_1", "none_2", "../annotations.json"},
                           *const none[CHUNK] = {"none_1", "none_2", "none_3", "none_4"};
  gm_data_set *set = small_set(one, GM_TASK_DETECT);
  fixture f;
  start(&f, set, 2, false, (gm_place){0});
  const gm_item *items;
  assert_ok(gm_read_ahead_next(f.ahead, &items, &err), &err);
  for (size_t i = 0; i < CHUNK; i++) assert_non_null(strstr(items[i].sample.image, "000.png"));
  stop(&f);
  assert_true(report.counts[GM_FAULT_FILE] >= 3);
  report.strict = true;
  start(&f, set, 2, false, (gm_place){0});
  for (int i = 0; i < 2; i++) { /* the error stays */
    assert_int_equal(gm_read_ahead_next(f.ahead, &items, &err), GM_ERR_ARGUMENT);
    assert_true(strlen(err.message) > 0);
    assert_null(items);
  }
  stop(&f);
  gm_data_set_free(set);
  set = small_set(none, GM_TASK_LOCATE_ALL);
  start(&f, set, 2, false, (gm_place){0});
  assert_int_equal(gm_read_ahead_next(f.ahead, &items, &err), GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "set s: 100 pictures in a row cannot be used"));
  stop(&f);
  gm_data_set_free(set);
}

static void it_can_be_stopped_at_once(void **state) {
  (void)state;
  gm_data_set *set = whole_set();
  fixture f;
  for (int i = 0; i < 5; i++) {
    start(&f, set, 3, true, (gm_place){0});
    stop(&f);
  }
  gm_data_set_free(set);
  gm_read_ahead *p;
  assert_int_equal(gm_read_ahead_start(&p, &(gm_read_ahead_params){0}, &err), GM_ERR_ARGUMENT);
  gm_read_ahead_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(threads_do_not_change_the_samples),
      cmocka_unit_test(broken_pictures_are_replaced),
      cmocka_unit_test(it_can_be_stopped_at_once),
  };
  int fd = mkstemp(path);
  if (fd < 0) return 1;
  close(fd);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
