/* test_hungarian.c - the assignment against all assignments, of small sizes. */
#include "support.h"

#include "hungarian.h"
#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 6 };

/* The smallest sum of costs over all ways to give rows `row` and later a free column each; at
 * most `spare` rows may stay without. */
static double best_sum(const double *cost, size_t rows, size_t columns, size_t row,
                       unsigned taken, size_t spare) {
  if (row == rows) return 0;
  double best = spare ? best_sum(cost, rows, columns, row + 1, taken, spare - 1) : INFINITY;
  for (size_t j = 0; j < columns; j++) {
    if (taken >> j & 1) continue;
    best = fmin(best, cost[row * columns + j] +
                          best_sum(cost, rows, columns, row + 1, taken | 1u << j, spare));
  }
  return best;
}

static double sum_of(const double *cost, size_t rows, size_t columns,
                     const int32_t *column_of) {
  unsigned taken = 0;
  size_t pairs = 0;
  double sum = 0;
  for (size_t i = 0; i < rows; i++) {
    if (column_of[i] < 0) continue;
    assert_true((size_t)column_of[i] < columns);
    assert_false(taken >> column_of[i] & 1);
    taken |= 1u << column_of[i];
    sum += cost[i * columns + (size_t)column_of[i]];
    pairs++;
  }
  assert_int_equal(pairs, rows < columns ? rows : columns);
  return sum;
}

/* whole: costs are few whole numbers, so that many assignments are equally good and sums are
 * exact. Others differ by rounding: 12 additions of numbers below 5. */
static void check(size_t rows, size_t columns, bool whole, gm_rng *rng) {
  double cost[SIDE * SIDE];
  int32_t found[SIDE], again[SIDE];
  gm_error err;
  for (size_t i = 0; i < rows * columns; i++) {
    cost[i] = gm_rng_unit(rng) * 10 - 5;
    if (whole) cost[i] = floor(cost[i] / 2);
  }
  assert_ok(gm_assign(cost, rows, columns, found, &err), &err);
  double sum = sum_of(cost, rows, columns, found);
  double want = best_sum(cost, rows, columns, 0, 0, rows > columns ? rows - columns : 0);
  if (!(fabs(sum - want) <= (whole ? 0 : 1e-13)))
    fail_msg("%zu x %zu: found %.17g, the best is %.17g", rows, columns, sum, want);
  assert_ok(gm_assign(cost, rows, columns, again, &err), &err);
  assert_memory_equal(found, again, rows * sizeof *found);
}

static void finds_the_smallest_sum(void **state) {
  (void)state;
  gm_rng rng = {1};
  for (size_t rows = 1; rows <= SIDE; rows++)
    for (size_t columns = 1; columns <= SIDE; columns++)
      for (int i = 0; i < 30; i++) check(rows, columns, i % 3 == 0, &rng);
}

/* Costs i * j: by the rearrangement inequality the largest row takes the smallest column. */
static void assigns_many(void **state) {
  (void)state;
  enum { ROWS = 70, COLUMNS = 300 };
  double *cost = calloc(ROWS * COLUMNS, sizeof *cost);
  int32_t found[COLUMNS];
  gm_error err;
  assert_non_null(cost);
  for (size_t i = 0; i < ROWS; i++)
    for (size_t j = 0; j < COLUMNS; j++) cost[i * COLUMNS + j] = (double)((i + 1) * (j + 1));
  assert_ok(gm_assign(cost, ROWS, COLUMNS, found, &err), &err);
  for (size_t i = 0; i < ROWS; i++) assert_int_equal(found[i], ROWS - 1 - i);
  for (size_t j = 0; j < COLUMNS; j++)
    for (size_t i = 0; i < ROWS; i++) cost[j * ROWS + i] = (double)((i + 1) * (j + 1));
  assert_ok(gm_assign(cost, COLUMNS, ROWS, found, &err), &err);
  for (size_t j = 0; j < COLUMNS; j++)
    assert_int_equal(found[j], j < ROWS ? ROWS - 1 - (int)j : -1);
  free(cost);
}

static void handles_sides_without_entries(void **state) {
  (void)state;
  int32_t found[3] = {7, 7, 7};
  gm_error err;
  assert_ok(gm_assign(NULL, 3, 0, found, &err), &err);
  for (size_t i = 0; i < 3; i++) assert_int_equal(found[i], -1);
  assert_ok(gm_assign(NULL, 0, 3, found, &err), &err);
}

static void refuses_costs_that_are_not_numbers(void **state) {
  (void)state;
  const double bad[] = {NAN, INFINITY, -INFINITY, 1e151};
  for (size_t i = 0; i < 4; i++) {
    double cost[4] = {1, 2, 3, bad[i]};
    int32_t found[2];
    gm_error err = {0};
    assert_int_equal(gm_assign(cost, 2, 2, found, &err), GM_ERR_MODEL);
    assert_non_null(strstr(err.message, "pair (1, 1)"));
  }
  double large[4] = {1e150, -1e150, -1e150, 1e150};
  int32_t found[2];
  gm_error err;
  assert_ok(gm_assign(large, 2, 2, found, &err), &err);
  assert_int_equal(found[0], 1);
  assert_int_equal(found[1], 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_the_smallest_sum),
      cmocka_unit_test(assigns_many),
      cmocka_unit_test(handles_sides_without_entries),
      cmocka_unit_test(refuses_costs_that_are_not_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
