/* test_cache_entry.c - the head of entries, their sum, and refusals. */
#include "support.h"

#include "bytes.h"
#include "cache_entry.h"
#include "sum64.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddee01";
static const gm_cache_kind plain = {.name = "plain", .body_at = 64};
static const gm_cache_kind paged = {.name = "pagedent", .body_at = 4096};

static char directory[64];

static int make(void **state) {
  (void)state;
  snprintf(directory, sizeof directory, "/tmp/gromatic-entry-XXXXXX");
  return mkdtemp(directory) ? 0 : 1;
}

static int remove_all(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", directory);
  return system(command);
}

static unsigned char *read_entry(const gm_cache_kind *kind, size_t *size) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s.%s", directory, key, kind->name);
  return test_read_file(path, size);
}

static void store(const gm_cache_kind *kind, const void *body, size_t size) {
  gm_cache_dir *dir = gm_cache_dir_open(directory, 0);
  const gm_cache_part part = {(void *)(uintptr_t)body, size};
  gm_cache_entry_store(dir, kind, key, &part, 1, NULL, NULL);
  gm_cache_dir_free(dir);
}

/* The layout that cache_entry.h states, number by number. */
static void test_the_head(void **state) {
  (void)state;
  static const unsigned char zeros[4096 - 64];
  const gm_cache_kind *const kinds[] = {&plain, &paged};
  for (size_t k = 0; k < 2; k++) {
    size_t size;
    unsigned char piece[8];
    store(kinds[k], "body", 4);
    unsigned char *bytes = read_entry(kinds[k], &size);
    assert_int_equal(size, kinds[k]->body_at + 4);
    assert_memory_equal(bytes, "GMCACHE\1", 8);
    assert_memory_equal(bytes + 8, k == 0 ? "plain\0\0\0" : "pagedent", 8);
    assert_int_equal(gm_le64(bytes + 16), 4);
    gm_put_le(piece, gm_sum64("body", 4), 8);
    assert_true(gm_le64(bytes + 24) == gm_sum64(piece, 8));
    for (size_t i = 0; i < 31; i++) assert_int_equal(bytes[32 + i], 0x11 * (i % 16));
    assert_int_equal(bytes[63], 1);
    assert_memory_equal(bytes + 64, zeros, kinds[k]->body_at - 64);
    assert_memory_equal(bytes + kinds[k]->body_at, "body", 4);
    free(bytes);
  }
}

/* The sum of a body of several pieces, with any split into parts and any number of threads. */
static void test_the_sum(void **state) {
  (void)state;
  enum { LARGE = 2 * MIB + 12345 };
  unsigned char *body = malloc(LARGE), sums[3 * 8];
  gm_error err;
  gm_pool *pool;
  gm_mapping file;
  assert_non_null(body);
  for (size_t i = 0; i < LARGE; i++) body[i] = (unsigned char)(i * 7 % 251);
  for (size_t i = 0; i < 3; i++)
    gm_put_le(sums + 8 * i, gm_sum64(body + i * MIB, i < 2 ? MIB : 12345), 8);
  assert_ok(gm_pool_create(&pool, 3, &err), &err);
  gm_cache_dir *dir = gm_cache_dir_open(directory, 0);
  const gm_cache_part whole = {body, LARGE};
  const gm_cache_part parts[] = {
      {body, 1}, {NULL, 0}, {body + 1, MIB + 5}, {body + MIB + 6, LARGE - MIB - 6}};
  for (int run = 0; run < 4; run++) {
    if (run < 2)
      gm_cache_entry_store(dir, &plain, key, &whole, 1, run % 2 ? pool : NULL, NULL);
    else
      gm_cache_entry_store(dir, &plain, key, parts, 4, run % 2 ? pool : NULL, NULL);
    assert_true(
        gm_cache_entry_map(dir, &plain, key, LARGE, run % 2 ? NULL : pool, NULL, &file));
    assert_true(gm_le64(file.data + 24) == gm_sum64(sums, sizeof sums));
    assert_memory_equal(file.data + plain.body_at, body, LARGE);
    gm_unmap(&file);
  }
  gm_cache_dir_free(dir);
  gm_pool_free(pool);
  free(body);
}

static void count_call(void *user) {
  ++*(unsigned *)user;
}

/* The same bytes, with calls in between. */
static void test_pauses(void **state) {
  (void)state;
  enum { LARGE = 20 * MIB }; /* written in more than one piece */
  unsigned calls = 0, before;
  const gm_cache_pause pause = {count_call, &calls};
  unsigned char *body = calloc(LARGE, 1);
  gm_mapping file;
  assert_non_null(body);
  for (size_t i = 0; i < LARGE; i += 1000) body[i] = (unsigned char)(i / 1000 % 251);
  gm_cache_dir *dir = gm_cache_dir_open(directory, 0);
  const gm_cache_piece piece = {body, LARGE};
  const gm_cache_part whole = {body, LARGE};
  gm_cache_dir_store(dir, key, "raw", &piece, 1, &pause);
  assert_true(calls > 0);
  gm_cache_entry_store(dir, &plain, key, &whole, 1, NULL, &pause);
  before = calls;
  assert_true(gm_cache_entry_map(dir, &plain, key, LARGE, NULL, &pause, &file));
  assert_true(calls > before);
  assert_memory_equal(file.data + plain.body_at, body, LARGE);
  gm_unmap(&file);
  assert_true(
      gm_cache_entry_map(dir, &plain, key, LARGE, NULL, NULL, &file)); /* the same sum */
  gm_unmap(&file);
  gm_cache_dir_free(dir);
  free(body);
}

/* Every bit changed, every length, another key, another kind: refused, with the right reason.
 */
static void test_what_is_refused(void **state) {
  (void)state;
  const gm_cache_kind *const kinds[] = {&plain, &paged};
  const gm_cache_kind other = {.name = "other", .body_at = 64};
  unsigned char body[100];
  char other_key[65];
  memcpy(other_key, key, sizeof other_key);
  other_key[0] = 'f';
  for (size_t i = 0; i < sizeof body; i++) body[i] = (unsigned char)i;
  for (size_t k = 0; k < 2; k++) {
    size_t size;
    store(kinds[k], body, sizeof body);
    unsigned char *bytes = read_entry(kinds[k], &size);
    assert_null(gm_cache_entry_fault(bytes, size, kinds[k], key, 100, NULL));
    for (size_t i = 0; i < size; i++)
      for (int bit = 0; bit < 8; bit++) {
        bool in_sum = (i >= 24 && i < 32) || i >= kinds[k]->body_at;
        bytes[i] ^= (unsigned char)(1 << bit);
        const char *fault = gm_cache_entry_fault(bytes, size, kinds[k], key, 100, NULL);
        assert_non_null(fault);
        assert_string_equal(fault, in_sum ? GM_REFUSED_SUM : GM_REFUSED_HEAD);
        bytes[i] ^= (unsigned char)(1 << bit);
      }
    for (size_t n = 0; n < size; n++)
      assert_string_equal(gm_cache_entry_fault(bytes, n, kinds[k], key, 100, NULL),
                          GM_REFUSED_SIZE);
    assert_string_equal(gm_cache_entry_fault(bytes, size, kinds[k], key, 99, NULL),
                        GM_REFUSED_SIZE);
    assert_string_equal(gm_cache_entry_fault(bytes, size, kinds[k], key, SIZE_MAX, NULL),
                        GM_REFUSED_SIZE);
    assert_string_equal(gm_cache_entry_fault(bytes, size, kinds[k], other_key, 100, NULL),
                        GM_REFUSED_HEAD);
    assert_string_equal(gm_cache_entry_fault(bytes, size, kinds[k], "short", 100, NULL),
                        GM_REFUSED_HEAD);
    if (k == 0)
      assert_string_equal(gm_cache_entry_fault(bytes, size, &other, key, 100, NULL),
                          GM_REFUSED_HEAD);
    free(bytes);
  }
}

/* Parts are read back with the same or another split; a size that overflows is refused. */
static void test_parts_come_back(void **state) {
  (void)state;
  char a[3], b[7], all[10];
  gm_cache_dir *dir = gm_cache_dir_open(directory, 0);
  const gm_cache_part whole = {all, 10}, two[] = {{a, 3}, {b, 7}};
  const gm_cache_part wraps[] = {{a, SIZE_MAX}, {b, 11}};
  assert_false(gm_cache_entry_load(dir, &plain, key, &whole, 1));
  memcpy(all, "0123456789", 10);
  gm_cache_entry_store(dir, &plain, key, &whole, 1, NULL, NULL);
  assert_true(gm_cache_entry_load(dir, &plain, key, two, 2));
  assert_memory_equal(a, "012", 3);
  assert_memory_equal(b, "3456789", 7);
  memcpy(a, "abc", 3);
  gm_cache_entry_store(dir, &plain, key, two, 2, NULL, NULL);
  assert_true(gm_cache_entry_load(dir, &plain, key, &whole, 1));
  assert_memory_equal(all, "abc3456789", 10);
  assert_false(gm_cache_entry_load(dir, &plain, key, wraps, 2));
  gm_cache_entry_store(dir, &plain, "no key", &whole, 1, NULL, NULL);
  assert_false(gm_cache_entry_load(dir, &plain, "no key", &whole, 1));
  /* an empty body is an entry too */
  gm_cache_entry_store(dir, &paged, key, NULL, 0, NULL, NULL);
  assert_true(gm_cache_entry_load(dir, &paged, key, NULL, 0));
  gm_cache_dir_free(dir);
}

/* A file of an older format is refused by name, and overwritten. */
static void test_older_formats(void **state) {
  (void)state;
  char path[200], old[74] = "GMSCENE\1";
  gm_mapping file;
  size_t n;
  snprintf(path, sizeof path, "%s/%s.plain", directory, key);
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(old, 1, sizeof old, out), sizeof old);
  fclose(out);
  gm_cache_dir *dir = gm_cache_dir_open(directory, 0);
  assert_false(gm_cache_entry_map(dir, &plain, key, 10, NULL, NULL, &file));
  const gm_cache_refusal *refusals = gm_cache_dir_refusals(dir, &n);
  assert_int_equal(n, 1);
  assert_string_equal(refusals[0].path, path);
  assert_string_equal(refusals[0].why, GM_REFUSED_HEAD);
  store(&plain, "0123456789", 10);
  assert_true(gm_cache_entry_map(dir, &plain, key, 10, NULL, NULL, &file));
  gm_unmap(&file);
  gm_cache_dir_free(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_the_head, make, remove_all),
      cmocka_unit_test_setup_teardown(test_the_sum, make, remove_all),
      cmocka_unit_test_setup_teardown(test_pauses, make, remove_all),
      cmocka_unit_test_setup_teardown(test_what_is_refused, make, remove_all),
      cmocka_unit_test_setup_teardown(test_parts_come_back, make, remove_all),
      cmocka_unit_test_setup_teardown(test_older_formats, make, remove_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
