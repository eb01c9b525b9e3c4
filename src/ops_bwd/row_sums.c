/* row_sums.c - see row_sums.h. */
#include "row_sums.h"

#include "sizes.h"

enum {
  COLUMNS = 256, /* of a task */
  CHAIN = 64     /* that are summed before they are added to the rest */
};

size_t gm_row_blocks(size_t rows) {
  return gm_ceil_div(rows, GM_SUM_ROWS);
}

gm_row_block gm_row_block_at(size_t rows, size_t block) {
  size_t first = block * GM_SUM_ROWS;
  return (gm_row_block){first, gm_min_size(first + GM_SUM_ROWS, rows)};
}

typedef struct sum_job {
  const gm_kernels *kernels;
  float *gradient;
  const float *dy;
  size_t lddy, m, n;
} sum_job;

static void sum_task(void *arg, size_t task, size_t worker) {
  const sum_job *job = arg;
  (void)worker;
  size_t column = task * COLUMNS, n = gm_min_size(COLUMNS, job->n - column);
  float all[COLUMNS] = {0}, some[COLUMNS], ones[CHAIN];
  const float *rows[CHAIN];
  for (size_t i = 0; i < CHAIN; i++) ones[i] = 1;
  for (size_t row = 0, r; row < job->m; row += r) {
    r = gm_min_size(CHAIN, job->m - row);
    for (size_t i = 0; i < r; i++) rows[i] = job->dy + (row + i) * job->lddy + column;
    job->kernels->rows.weighted_rows(some, rows, ones, r, n);
    job->kernels->rows.add(all, all, some, n);
  }
  job->kernels->rows.add(job->gradient + column, job->gradient + column, all, n);
}

void gm_add_sum_of_rows(const gm_training *t, float *gradient, const float *dy, size_t lddy,
                        size_t m, size_t n) {
  sum_job job = {t->c->kernels, gradient, dy, lddy, m, n};
  gm_pool_run(t->c->pool, sum_task, &job, gm_ceil_div(n, COLUMNS));
}
