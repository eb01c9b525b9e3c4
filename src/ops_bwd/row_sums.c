/* row_sums.c - see row_sums.h. */
#include "row_sums.h"

#include "sizes.h"

enum { PIECE = 512 }; /* columns of a task */

size_t gm_row_blocks(size_t rows) {
  return gm_ceil_div(rows, GM_SUM_ROWS);
}

gm_row_block gm_row_block_at(size_t rows, size_t block) {
  size_t first = block * GM_SUM_ROWS;
  return (gm_row_block){first, gm_min_size(first + GM_SUM_ROWS, rows)};
}

typedef struct sums_job {
  const gm_row_kernels *k;
  float *gradient, *sums;
  size_t blocks, step, n;
} sums_job;

static void sums_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const sums_job *job = arg;
  size_t at = task * PIECE, n = gm_min_size(PIECE, job->n - at);
  float *sum = job->sums + at;
  for (size_t b = 1; b < job->blocks; b++) job->k->add(sum, sum, sum + b * job->step, n);
  job->k->add(job->gradient + at, job->gradient + at, sum, n);
}

void gm_add_row_sums(gm_compute *c, float *gradient, float *sums, size_t blocks, size_t step,
                     size_t n) {
  if (!gradient || blocks == 0) return;
  sums_job job = {&c->kernels->rows, gradient, sums, blocks, step, n};
  gm_pool_run(c->pool, sums_task, &job, gm_ceil_div(n, PIECE));
}
