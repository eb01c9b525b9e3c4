/* test_torch_zip64.c - an archive of over 4 GB, like Groma-7B's: sizes and offsets are in ZIP64
 * fields, and it is read in little memory. The file is sparse: a hole of 4.5 GB of zeros
 * between a few written bytes. Skipped if the file system cannot hold one. */
#include "archive.h"
#include "checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 1200, COLS = 1 << 20, PIECE = 1 << 18 };

static const uint64_t hole = (uint64_t)ROWS * COLS * 4; /* 4.7 GB */

/* The process's resident memory, in KB. */
static long resident_kb(void) {
  char line[256];
  long kb = -1;
  FILE *status = fopen("/proc/self/status", "r");
  assert_non_null(status);
  while (fgets(line, sizeof line, status))
    if (sscanf(line, "VmRSS: %ld", &kb) == 1) break;
  fclose(status);
  return kb;
}

/* {"before": half[2], "hole": float[ROWS][COLS], "turned": its transpose, "behind": float[3]}
 */
static void write_archive(test_zip *zip) {
  static const uint16_t halves[] = {0x3c00, 0xc000}; /* 1, -2 */
  static const float floats[] = {0.5f, -3, 1e30f};
  test_pickle p = {.n = 0};
  pickle_bytes(&p, "\x80\x02}(", 4);
  pickle_string(&p, "before");
  pickle_tensor(&p, "HalfStorage", "0", 2, 0, 1, (int64_t[]){2}, NULL);
  pickle_string(&p, "hole");
  pickle_tensor(&p, "FloatStorage", "1", (int64_t)hole / 4, 0, 2, (int64_t[]){ROWS, COLS},
                NULL);
  pickle_string(&p, "turned");
  pickle_tensor(&p, "FloatStorage", "1", (int64_t)hole / 4, 0, 2, (int64_t[]){COLS, ROWS},
                (int64_t[]){1, COLS});
  pickle_string(&p, "behind");
  pickle_tensor(&p, "FloatStorage", "2", 3, 0, 1, (int64_t[]){3}, NULL);
  pickle_bytes(&p, "u.", 2);
  test_zip_add(zip, "archive/data.pkl", p.bytes, p.n);
  test_zip_add(zip, "archive/data/0", halves, sizeof halves);
  test_zip_add(zip, "archive/data/1", NULL, hole);
  test_zip_add(zip, "archive/data/2", floats, sizeof floats);
  test_zip_finish(zip, true);
}

static void read_at(gm_checkpoint *c, const char *name, size_t first, size_t n, float *out) {
  gm_error err = {0};
  size_t i = gm_checkpoint_find(c, name);
  assert_true(i < c->n_tensors);
  assert_ok(gm_checkpoint_read(c, i, first, n, out, &err), &err);
}

static void check_values(gm_checkpoint *c) {
  float v[3];
  read_at(c, "before", 0, 2, v);
  assert_true(v[0] == 1 && v[1] == -2);
  read_at(c, "behind", 0, 3, v);
  assert_true(v[0] == 0.5f && v[1] == -3 && v[2] == 1e30f);
  read_at(c, "hole", (size_t)ROWS * COLS - 1, 1, v);
  assert_true(v[0] == 7);
  read_at(c, "turned", (size_t)ROWS * COLS - 1, 1, v);
  assert_true(v[0] == 7);
  read_at(c, "turned", (size_t)(COLS - 1) * ROWS + 1, 1, v); /* hole[1][COLS - 1] */
  assert_true(v[0] == 9);
}

/* Reads a fifth of the large tensor, piece by piece: pages leave memory after they are read. */
static void check_memory(gm_checkpoint *c) {
  float *piece = malloc(PIECE * sizeof *piece);
  assert_non_null(piece);
  long before = resident_kb(), most = 0;
  size_t n = (size_t)ROWS * COLS / 5;
  for (size_t first = 0; first < n; first += PIECE) {
    read_at(c, "hole", first, n - first < PIECE ? n - first : PIECE, piece);
    long now = resident_kb();
    if (now > most) most = now;
  }
  free(piece);
  /* The piece itself and one window of the file, 1 MB each, and slack; 940 MB were read. */
  if (most - before > 16 * 1024)
    fail_msg("reading took %ld KB more resident memory, allowed 16 MB", most - before);
}

static void test_archive_over_4_gb(void **state) {
  (void)state;
  test_zip zip;
  test_zip_start(&zip);
  if (ftruncate(zip.fd, (off_t)hole + (1 << 20)) != 0) {
    print_message("skipped: no sparse file of %llu bytes here: %s\n", (unsigned long long)hole,
                  strerror(errno));
    test_zip_free(&zip);
    skip();
  }
  write_archive(&zip);
  assert_int_equal(ftruncate(zip.fd, (off_t)zip.at), 0);
  /* Two values of the hole: the last, and the last of row 1. */
  uint64_t begin = zip.members[3].header - hole;
  test_zip_patch(&zip, begin + hole - 4, &(float){7}, 4);
  test_zip_patch(&zip, begin + ((uint64_t)2 * COLS - 1) * 4, &(float){9}, 4);
  gm_error err = {0};
  gm_checkpoint *c;
  assert_ok(gm_torch_open(&c, zip.path, &err), &err);
  assert_int_equal(c->n_tensors, 4);
  check_values(c);
  check_memory(c);
  gm_checkpoint_close(c);
  test_zip_free(&zip);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_archive_over_4_gb)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
