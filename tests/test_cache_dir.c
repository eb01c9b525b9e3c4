/* test_cache_dir.c - entries of several kinds under one limit; unfinished files. */
#include "support.h"

#include "cache_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char directory[64];

static int make(void **state) {
  (void)state;
  snprintf(directory, sizeof directory, "/tmp/gromatic-dir-XXXXXX");
  return mkdtemp(directory) ? 0 : 1;
}

static int remove_all(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", directory);
  return system(command);
}

static void key_of(size_t i, char out[65]) {
  snprintf(out, 65, "%064zx", i);
}

static void path_of(const char *key, const char *rest, char *out, size_t size) {
  snprintf(out, size, "%s/%s%s", directory, key, rest);
}

static void test_pieces_come_back_as_one(void **state) {
  (void)state;
  char key[65];
  key_of(1, key);
  gm_cache_dir *dir = gm_cache_dir_open(directory, 0);
  gm_mapping file;
  assert_false(gm_cache_dir_map(dir, key, "scene", &file));
  gm_cache_dir_store(dir, key, "scene", (gm_cache_piece[]){{"abc", 3}, {"", 0}, {"de", 2}}, 3,
                     NULL);
  assert_true(gm_cache_dir_map(dir, key, "scene", &file));
  assert_int_equal(file.size, 5);
  assert_memory_equal(file.data, "abcde", 5);
  gm_unmap(&file);
  /* another kind of the same key is another entry */
  assert_false(gm_cache_dir_map(dir, key, "features", &file));
  /* a name that could lead out of the directory is not a key */
  assert_false(gm_cache_dir_map(dir, "../../../../etc/passwd", "scene", &file));
  gm_cache_dir_free(dir);
}

/* Ten entries of 100 bytes fit; both kinds count, and the entry used last stays. */
static void test_one_limit_for_all_kinds(void **state) {
  (void)state;
  char key[65], first[65], bytes[100] = {0};
  gm_cache_dir *dir = gm_cache_dir_open(directory, 1000);
  key_of(100, first);
  for (size_t i = 100; i < 130; i++) {
    key_of(i, key);
    gm_cache_dir_store(dir, key, i % 2 ? "scene" : "features",
                       &(gm_cache_piece){bytes, sizeof bytes}, 1, NULL);
    usleep(2000); /* so that the file times differ */
    gm_cache_dir_used(dir, first, "features");
    usleep(2000);
  }
  size_t kept = 0;
  gm_mapping file;
  for (size_t i = 100; i < 130; i++) {
    key_of(i, key);
    if (!gm_cache_dir_map(dir, key, i % 2 ? "scene" : "features", &file)) continue;
    gm_unmap(&file);
    kept++;
  }
  assert_in_range(kept, 5, 10);
  assert_true(gm_cache_dir_map(dir, first, "features", &file));
  gm_unmap(&file);
  gm_cache_dir_free(dir);
}

/* An entry of nearly the whole limit makes room for itself and stays. */
static void test_a_large_entry_stays(void **state) {
  (void)state;
  char small[65], large[65], bytes[950] = {0};
  key_of(1, small);
  key_of(2, large);
  gm_cache_dir *dir = gm_cache_dir_open(directory, 1000);
  gm_mapping file;
  gm_cache_dir_store(dir, small, "scene", &(gm_cache_piece){bytes, 100}, 1, NULL);
  usleep(2000);
  gm_cache_dir_store(dir, large, "scene", &(gm_cache_piece){bytes, 950}, 1, NULL);
  assert_false(gm_cache_dir_map(dir, small, "scene", &file));
  assert_true(gm_cache_dir_map(dir, large, "scene", &file));
  gm_unmap(&file);
  gm_cache_dir_store(dir, small, "scene", &(gm_cache_piece){bytes, 1001}, 1, NULL);
  assert_false(gm_cache_dir_map(dir, small, "scene", &file));
  gm_cache_dir_free(dir);
}

static void test_no_name_is_no_directory(void **state) {
  (void)state;
  char key[65];
  key_of(1, key);
  gm_cache_dir *dir = gm_cache_dir_open("", 0);
  gm_mapping file;
  gm_cache_dir_store(dir, key, "scene", &(gm_cache_piece){"x", 1}, 1, NULL);
  assert_false(gm_cache_dir_map(dir, key, "scene", &file));
  assert_false(gm_cache_dir_has_room(dir, 1));
  gm_cache_dir_free(dir);
}

static void touch(const char *path, time_t age) {
  int fd = open(path, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec -= age;
  assert_int_equal(futimens(fd, (struct timespec[]){now, now}), 0);
  close(fd);
}

static void test_half_written_entries_go_after_a_day(void **state) {
  (void)state;
  char key[65], fresh[160], stale[160], foreign[160];
  key_of(7, key);
  path_of(key, ".scene.abcdef", fresh, sizeof fresh);
  path_of(key, ".scene.ghijkl", stale, sizeof stale);
  snprintf(foreign, sizeof foreign, "%s/notes.txt", directory);
  touch(fresh, 60);
  touch(stale, 48 * 3600);
  touch(foreign, 48 * 3600);
  gm_cache_dir *dir = gm_cache_dir_open(directory, 0);
  gm_cache_dir_store(dir, key, "scene", &(gm_cache_piece){"x", 1}, 1, NULL);
  gm_cache_dir_free(dir);
  assert_int_equal(access(fresh, F_OK), 0);
  assert_int_not_equal(access(stale, F_OK), 0);
  assert_int_equal(access(foreign, F_OK), 0);
}

/* Each file once, at most sixteen, in the order met; an absent entry is not a refusal. */
static void test_refusals(void **state) {
  (void)state;
  char key[65], path[160];
  size_t n;
  gm_mapping file;
  gm_cache_dir *dir = gm_cache_dir_open(directory, 0);
  key_of(0, key);
  assert_false(gm_cache_dir_map(dir, key, "scene", &file));
  gm_cache_dir_refusals(dir, &n);
  assert_int_equal(n, 0);
  path_of(key, ".scene", path, sizeof path);
  assert_int_equal(mkdir(path, 0700), 0);
  for (int again = 0; again < 2; again++) {
    assert_false(gm_cache_dir_map(dir, key, "scene", &file));
    const gm_cache_refusal *refusals = gm_cache_dir_refusals(dir, &n);
    assert_int_equal(n, 1);
    assert_string_equal(refusals[0].path, path);
    assert_string_equal(refusals[0].why, GM_REFUSED_FILE);
  }
  for (size_t i = 1; i < 20; i++) {
    key_of(i, key);
    gm_cache_dir_refuse(dir, key, "features", GM_REFUSED_SUM);
    const gm_cache_refusal *refusals = gm_cache_dir_refusals(dir, &n);
    assert_int_equal(n, i < 15 ? i + 1 : 16);
    path_of(key, ".features", path, sizeof path);
    if (i < 16) assert_string_equal(refusals[i].path, path);
  }
  gm_cache_dir_refuse(dir, "no key", "features", GM_REFUSED_SUM);
  gm_cache_dir_free(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_pieces_come_back_as_one, make, remove_all),
      cmocka_unit_test_setup_teardown(test_one_limit_for_all_kinds, make, remove_all),
      cmocka_unit_test_setup_teardown(test_a_large_entry_stays, make, remove_all),
      cmocka_unit_test(test_no_name_is_no_directory),
      cmocka_unit_test_setup_teardown(test_refusals, make, remove_all),
      cmocka_unit_test_setup_teardown(test_half_written_entries_go_after_a_day, make,
                                      remove_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
