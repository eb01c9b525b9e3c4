/* test_new_file.c - files that appear whole: under names of any length, through links, with the
 * permissions of the files that they replace. */
#include "support.h"

#include "new_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/gromatic-new-file-XXXXXX";

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  return rmdir(folder);
}

/* A path in the folder, whose base name is a letter, n times, and an ending. */
static char *path_of(const char *letter, size_t n, const char *ending) {
  char *path = calloc(1, sizeof folder + n * strlen(letter) + strlen(ending) + 1);
  assert_non_null(path);
  sprintf(path, "%s/", folder);
  for (size_t i = 0; i < n; i++) strcat(path, letter);
  return strcat(path, ending);
}

static void write_text(const char *path, const char *text) {
  gm_new_file file;
  gm_error err = {0};
  assert_ok(gm_new_file_begin(&file, path, &err), &err);
  assert_ok(gm_new_file_write(&file, text, strlen(text), &err), &err);
  assert_ok(gm_new_file_commit(&file, &err), &err);
  gm_new_file_end(&file);
}

/* ---- what is brought to disk: the linker puts this in place of fsync ---- */

static const char *watched; /* the file that is being written */
static bool file_synced, name_synced;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
  struct stat st, above;
  bool known = watched && fstat(fd, &st) == 0 && stat(folder, &above) == 0;
  bool named = known && access(watched, F_OK) == 0;
  if (known && S_ISREG(st.st_mode) && !named) file_synced = true;
  if (known && st.st_ino == above.st_ino && named) name_synced = file_synced;
  return __real_fsync(fd);
}

static void check_text(const char *path, const char *text) {
  char *found = test_read_file(path, NULL);
  assert_string_equal(found, text);
  free(found);
}

/* The longest names on Linux have 255 bytes. */
static void names_of_any_length(void **state) {
  (void)state;
  static const struct {
    const char *letter;
    size_t n;
  } names[] = {{"x", 1}, {"x", 223}, {"x", 224}, {"x", 241}, {"x", 251}, {"\xE8\x98\x8B", 83}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char *path = path_of(names[i].letter, names[i].n, ".png");
    write_text(path, "whole");
    check_text(path, "whole");
    assert_int_equal(unlink(path), 0);
    free(path);
  }
}

/* Two long names that begin alike; the part of a killed writer, and of a running one. */
static void only_dead_parts_of_its_own_are_removed(void **state) {
  (void)state;
  char *a = path_of("x", 247, "a.png"), *b = path_of("x", 247, "b.png");
  gm_new_file dead, other;
  gm_error err = {0};
  assert_ok(gm_new_file_begin(&dead, a, &err), &err);
  assert_ok(gm_new_file_begin(&other, b, &err), &err);
  gm_new_file_remove_dead(a);
  assert_int_equal(access(dead.temporary, F_OK), 0); /* its writer is running */
  assert_string_not_equal(dead.temporary, other.temporary);
  close(dead.fd);
  dead.fd = -1;
  close(other.fd);
  other.fd = -1;
  gm_new_file_remove_dead(a);
  assert_int_not_equal(access(dead.temporary, F_OK), 0);
  assert_int_equal(access(other.temporary, F_OK), 0);
  gm_new_file_end(&dead);
  gm_new_file_end(&other);
  free(a);
  free(b);
}

/* First the bytes, under the other name; then, when the file has its name, the folder. */
static void bytes_and_name_are_on_disk(void **state) {
  (void)state;
  char *path = path_of("d", 1, ".state");
  watched = path;
  write_text(path, "all of it");
  watched = NULL;
  assert_true(file_synced);
  assert_true(name_synced);
  unlink(path);
  free(path);
}

static void links_and_rights_stay(void **state) {
  (void)state;
  char *store = path_of("s", 1, ""), *target = path_of("s", 1, "/t.png");
  char *link = path_of("l", 1, ".png"), *chain = path_of("m", 1, ".png");
  struct stat st;
  assert_int_equal(mkdir(store, 0700), 0);
  assert_int_equal(symlink("s/t.png", link), 0); /* the target does not exist yet */
  assert_int_equal(symlink("l.png", chain), 0);
  write_text(chain, "first");
  check_text(target, "first");
  assert_int_equal(chmod(target, 0604), 0);
  write_text(link, "second");
  check_text(target, "second");
  assert_int_equal(stat(target, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0604);
  assert_int_equal(lstat(link, &st), 0);
  assert_true(S_ISLNK(st.st_mode));
  assert_int_equal(lstat(chain, &st), 0);
  assert_true(S_ISLNK(st.st_mode));
  unlink(link);
  unlink(chain);
  unlink(target);
  rmdir(store);
  free(store);
  free(target);
  free(link);
  free(chain);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_of_any_length),
      cmocka_unit_test(only_dead_parts_of_its_own_are_removed),
      cmocka_unit_test(bytes_and_name_are_on_disk),
      cmocka_unit_test(links_and_rights_stay),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
