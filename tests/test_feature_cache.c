/* test_feature_cache.c - entries that are read back, damaged entries, the limit. */
#include "support.h"

#include "feature_cache.h"
#include "feature_keys.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 3, COLUMNS = 4, HEAD = 64, BYTES = ROWS * COLUMNS * 4 };

static const char key_a[] = "00000000000000000000000000000000000000000000000000000000000000aa";

static char *new_directory(void) {
  static char path[64];
  snprintf(path, sizeof path, "/tmp/gromatic-cache-XXXXXX");
  assert_non_null(mkdtemp(path));
  strcat(path, "/deep");
  return path;
}

static void remove_directory(char *path) {
  char command[128];
  *strrchr(path, '/') = 0;
  snprintf(command, sizeof command, "rm -r %s", path);
  assert_int_equal(system(command), 0);
}

static void fill(float *values) { /* unit vectors of three kinds */
  static const float rows[ROWS][COLUMNS] = {
      {1, 0, 0, 0}, {0.6f, 0, -0.8f, 0}, {0.5f, 0.5f, 0.5f, -0.5f}};
  memcpy(values, rows, sizeof rows);
}

static size_t count_files(const char *path) {
  size_t n = 0;
  DIR *dir = opendir(path);
  for (struct dirent *d; dir && (d = readdir(dir));) n += d->d_name[0] != '.';
  if (dir) closedir(dir);
  return n;
}

static void test_values_come_back(void **state) {
  (void)state;
  char *path = new_directory();
  float values[ROWS * COLUMNS], back[ROWS * COLUMNS];
  fill(values);
  gm_cache_dir *cache = gm_cache_dir_open(path, 0);
  assert_false(gm_feature_cache_load(cache, key_a, ROWS, COLUMNS, back));
  gm_feature_cache_store(cache, key_a, ROWS, COLUMNS, values);
  assert_true(gm_feature_cache_load(cache, key_a, ROWS, COLUMNS, back));
  assert_memory_equal(values, back, sizeof values);
  assert_false(gm_feature_cache_load(cache, key_a, ROWS, COLUMNS - 1, back));
  assert_false(gm_feature_cache_load(cache, key_a, ROWS - 1, COLUMNS, back));
  assert_int_equal(count_files(path), 1); /* no unfinished file beside it */
  gm_cache_dir_free(cache);
  remove_directory(path);
}

static void test_no_directory_is_no_failure(void **state) {
  (void)state;
  float values[ROWS * COLUMNS];
  fill(values);
  gm_cache_dir *cache = gm_cache_dir_open("/proc/nowhere", 0);
  gm_feature_cache_store(cache, key_a, ROWS, COLUMNS, values);
  assert_false(gm_feature_cache_load(cache, key_a, ROWS, COLUMNS, values));
  gm_cache_dir_free(cache);
}

static unsigned char *read_entry(char *path, size_t *size) {
  char file[160];
  snprintf(file, sizeof file, "%s/%s.features", path, key_a);
  return test_read_file(file, size);
}

/* Every byte changed, every length cut: never accepted. */
static void test_damaged_entries_are_absent(void **state) {
  (void)state;
  char *path = new_directory();
  float values[ROWS * COLUMNS], back[ROWS * COLUMNS];
  fill(values);
  gm_cache_dir *cache = gm_cache_dir_open(path, 0);
  gm_feature_cache_store(cache, key_a, ROWS, COLUMNS, values);
  size_t size;
  unsigned char *entry = read_entry(path, &size);
  assert_int_equal(size, HEAD + BYTES);
  assert_null(gm_feature_cache_read(entry, size, key_a, ROWS, COLUMNS, back));
  for (size_t i = 0; i < size; i++) {
    entry[i] ^= 1;
    assert_non_null(gm_feature_cache_read(entry, size, key_a, ROWS, COLUMNS, back));
    entry[i] ^= 1;
    assert_non_null(gm_feature_cache_read(entry, i, key_a, ROWS, COLUMNS, back));
  }
  char other[65];
  memcpy(other, key_a, sizeof other);
  other[0] = 'f';
  assert_non_null(gm_feature_cache_read(entry, size, other, ROWS, COLUMNS, back));
  assert_non_null(gm_feature_cache_read(entry, size, "short", ROWS, COLUMNS, back));
  assert_non_null(gm_feature_cache_read(entry, size, key_a, SIZE_MAX, COLUMNS, back));
  free(entry);
  /* With a right sum: rows that are not unit vectors, and NaN. */
  values[0] = 2;
  gm_feature_cache_store(cache, key_a, ROWS, COLUMNS, values);
  assert_false(gm_feature_cache_load(cache, key_a, ROWS, COLUMNS, back));
  values[0] = NAN;
  gm_feature_cache_store(cache, key_a, ROWS, COLUMNS, values);
  assert_false(gm_feature_cache_load(cache, key_a, ROWS, COLUMNS, back));
  gm_cache_dir_free(cache);
  remove_directory(path);
}

static void key_of(size_t i, char out[65]) {
  snprintf(out, 65, "%064zx", i);
}

/* Room for ten entries; the oldest go, and one that was used in between stays. */
static void test_the_oldest_go_over_the_limit(void **state) {
  (void)state;
  char *path = new_directory(), key[65], first[65];
  float values[ROWS * COLUMNS], back[ROWS * COLUMNS];
  fill(values);
  gm_cache_dir *cache = gm_cache_dir_open(path, 10 * (HEAD + BYTES));
  key_of(0, first);
  for (size_t i = 0; i < 30; i++) {
    key_of(i, key);
    gm_feature_cache_store(cache, key, ROWS, COLUMNS, values);
    usleep(2000); /* so that the file times differ */
    assert_true(gm_feature_cache_load(cache, first, ROWS, COLUMNS, back));
    assert_true(gm_feature_cache_load(cache, key, ROWS, COLUMNS, back));
    usleep(2000);
  }
  assert_true(count_files(path) <= 10 && count_files(path) >= 5);
  key_of(1, key);
  assert_false(gm_feature_cache_load(cache, key, ROWS, COLUMNS, back));
  gm_cache_dir_free(cache);
  remove_directory(path);
}

/* Keys differ if anything differs, also if texts are split elsewhere. */
static void test_keys(void **state) {
  (void)state;
  char a[65], b[65];
  gm_feature_key_texts(a, "model", (const char *[]){"ab", "c"}, 2);
  gm_feature_key_texts(b, "model", (const char *[]){"a", "bc"}, 2);
  assert_string_not_equal(a, b);
  gm_feature_key_texts(b, "other", (const char *[]){"ab", "c"}, 2);
  assert_string_not_equal(a, b);
  gm_feature_key_texts(b, "model", (const char *[]){"ab", "c"}, 2);
  assert_string_equal(a, b);
  gm_error err;
  gm_image *image;
  uint8_t rgb[12 * 3] = {0};
  const gm_crop crops[2] = {{0, 0, 2, 2}, {1, 0, 2, 2}};
  assert_ok(gm_image_from_rgb(&image, rgb, 4, 3, &err), &err);
  gm_feature_key_crops(a, "model", image, crops, 1);
  gm_feature_key_crops(b, "model", image, crops, 2);
  assert_string_not_equal(a, b);
  gm_feature_key_crops(b, "model", image, crops + 1, 1);
  assert_string_not_equal(a, b);
  gm_image_free(image);
  assert_ok(gm_image_from_rgb(&image, rgb, 3, 4, &err), &err);
  gm_feature_key_crops(b, "model", image, crops, 1);
  assert_string_not_equal(a, b);
  gm_image_free(image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values_come_back),
      cmocka_unit_test(test_no_directory_is_no_failure),
      cmocka_unit_test(test_damaged_entries_are_absent),
      cmocka_unit_test(test_the_oldest_go_over_the_limit),
      cmocka_unit_test(test_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
