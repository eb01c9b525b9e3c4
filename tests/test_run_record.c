/* test_run_record.c - the table of a run: what it has when a run goes on, and its curves. */
#include "support.h"

#include "run_record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 5, ROWS = 3 };

static gm_error err;
static gm_run_folder folder;

static gm_record new_record(void) {
  return (gm_record){.names = {"step", "epoch", "seconds", "loss", "ar"}, .n_columns = COLUMNS};
}

/* 0.1 + 0.2 is the number after 0.3: axes from one to the other have no room for steps. */
static const double rows[ROWS][COLUMNS] = {
    {0, 0, 0.5, NAN, NAN}, {10, 0.5, 3, 2.25, 0.3}, {20, 1, 6.5, NAN, 0.1 + 0.2}};

static void a_run_goes_on_with_its_rows(void **state) {
  (void)state;
  gm_record record = new_record();
  assert_ok(gm_record_open(&record, &folder, &err), &err);
  assert_int_equal(record.n, 0);
  alarm(60); /* curves that never end */
  for (size_t i = 0; i < ROWS; i++)
    assert_ok(gm_record_add(&record, &folder, rows[i], &err), &err);
  alarm(0);
  gm_record_free(&record);

  record = new_record();
  assert_ok(gm_record_open(&record, &folder, &err), &err);
  assert_int_equal(record.n, ROWS);
  for (size_t i = 0; i < ROWS; i++)
    for (size_t k = 0; k < COLUMNS; k++) {
      double found = record.rows[i * COLUMNS + k], want = rows[i][k];
      /* six digits */
      if (!(isnan(want) ? isnan(found) : fabs(found - want) <= 1e-6 * fabs(want)))
        fail_msg("row %zu, %s: found %g, wanted %g", i, record.names[k], found, want);
    }
  gm_record_free(&record);
}

static void other_columns_are_refused(void **state) {
  (void)state;
  gm_record record = new_record();
  record.names[4] = "recall";
  assert_int_equal(gm_record_open(&record, &folder, &err), GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "step,epoch,seconds,loss,recall"));
  gm_record_free(&record);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_goes_on_with_its_rows),
      cmocka_unit_test(other_columns_are_refused),
  };
  char path[] = "/tmp/gromatic-record-XXXXXX";
  if (!mkdtemp(path) || gm_run_folder_open(&folder, path, false, &err) != GM_OK) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(folder.paths[GM_RUN_RESULTS]);
  unlink(folder.paths[GM_RUN_CHART]);
  unlink(folder.paths[GM_RUN_LOG]);
  gm_run_folder_close(&folder);
  rmdir(path);
  return failed;
}
