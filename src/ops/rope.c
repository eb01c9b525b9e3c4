/* rope.c - ops.h: rotary position embedding (Su et al. 2021) in the half-split layout. */
#include "ops.h"

#include <assert.h>
#include <math.h>

typedef struct rope_job {
  const gm_row_kernels *k;
  float *x;
  size_t x_row, t, heads, head_dim;
  const float *table;
} rope_job;

typedef struct rope_table_job {
  float *table;
  size_t head_dim, first;
  float theta;
} rope_table_job;

static void rope_table_task(void *arg, size_t row, size_t worker) {
  (void)worker;
  const rope_table_job *job = arg;
  size_t half = job->head_dim / 2;
  float *cosines = job->table + row * job->head_dim, *sines = cosines + half;
  float position = (float)(job->first + row);
  for (size_t k = 0; k < half; k++) {
    double power = pow((double)job->theta, 2 * (double)k / (double)job->head_dim);
    float angle = position * (float)(1 / power);
    cosines[k] = (float)cos((double)angle);
    sines[k] = (float)sin((double)angle);
  }
}

void gm_rope_table(gm_compute *c, float *table, size_t t, size_t head_dim, size_t first,
                   float theta) {
  assert(head_dim % 2 == 0);
  rope_table_job job = {table, head_dim, first, theta};
  gm_pool_run(c->pool, rope_table_task, &job, t);
}

static void rope_task(void *arg, size_t token, size_t worker) {
  (void)worker;
  const rope_job *job = arg;
  size_t half = job->head_dim / 2;
  const float *cosines = job->table + token * job->head_dim;
  for (size_t h = 0; h < job->heads; h++)
    job->k->rotate(job->x + token * job->x_row + h * job->head_dim, cosines, cosines + half,
                   half);
}

void gm_rope(gm_compute *c, float *x, size_t x_row, size_t t, size_t heads, size_t head_dim,
             const float *table) {
  assert(head_dim % 2 == 0 && x_row >= heads * head_dim);
  rope_job job = {&c->kernels->rows, x, x_row, t, heads, head_dim, table};
  gm_pool_run(c->pool, rope_task, &job, t);
}
