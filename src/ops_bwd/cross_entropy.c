/* cross_entropy.c - ops_bwd.h: the loss of a language model. */
#include "ops_bwd.h"
#include "sizes.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
  PIECE = 1024, /* logits that are summed in f32 */
  ROWS = 256    /* at most, of a job */
};

typedef struct entropy_job {
  const gm_row_kernels *k;
  float *logits;
  size_t ld, n;
  const int32_t *targets;
  double count;
  double loss[ROWS];
} entropy_job;

static void row_task(void *arg, size_t row, size_t worker) {
  (void)worker;
  entropy_job *job = arg;
  float *x = job->logits + row * job->ld;
  size_t n = job->n;
  job->loss[row] = 0;
  if (job->targets[row] < 0) {
    memset(x, 0, n * sizeof *x);
    return;
  }
  size_t target = (size_t)job->targets[row];
  assert(target < n);
  float max = x[0], wanted = x[target];
  for (size_t i = 1; i < n; i++) max = x[i] > max ? x[i] : max;
  double sum = 0;
  for (size_t at = 0; at < n; at += PIECE)
    sum += (double)job->k->softmax_step(x + at, gm_min_size(PIECE, n - at), 1, &max);
  job->k->scale(x, n, (float)(1 / (sum * job->count)));
  x[target] -= (float)(1 / job->count);
  job->loss[row] = log(sum) + (double)max - (double)wanted;
}

void gm_cross_entropy(const gm_training *t, float *logits, size_t ld, size_t rows, size_t n,
                      const int32_t *targets, double count, double *loss) {
  entropy_job job = {.k = &t->c->kernels->rows, .ld = ld, .n = n, .count = count};
  double sum = 0;
  for (size_t first = 0; first < rows; first += ROWS) {
    size_t here = gm_min_size(ROWS, rows - first);
    job.logits = logits + first * ld;
    job.targets = targets + first;
    gm_pool_run(t->c->pool, row_task, &job, here);
    for (size_t i = 0; i < here; i++) sum += job.loss[i];
  }
  *loss = sum / count;
}
