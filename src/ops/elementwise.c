/* elementwise.c - ops.h: sums, gates, patches of a picture. */
#include "ops.h"

#include <assert.h>
#include <string.h>

/* Elements of one task: enough that the cost of handing it out does not matter. */
enum { PIECE = 16384 };

typedef struct elementwise_job {
  const gm_row_kernels *k;
  float *y;
  const float *a, *b;
  size_t n;
} elementwise_job;

static size_t piece_length(const elementwise_job *job, size_t task) {
  assert(task * PIECE < job->n);
  size_t left = job->n - task * PIECE;
  return left < PIECE ? left : PIECE;
}

static void add_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const elementwise_job *job = arg;
  size_t at = task * PIECE;
  job->k->add(job->y + at, job->a + at, job->b + at, piece_length(job, task));
}

void gm_add(gm_compute *c, float *y, const float *a, const float *b, size_t n) {
  elementwise_job job = {&c->kernels->rows, y, a, b, n};
  gm_pool_run(c->pool, add_task, &job, (n + PIECE - 1) / PIECE);
}

static void silu_mul_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const elementwise_job *job = arg;
  size_t at = task * PIECE;
  job->k->silu_mul(job->y + at, job->a + at, piece_length(job, task));
}

void gm_silu_mul(gm_compute *c, float *gate, const float *up, size_t n) {
  assert(gate + n <= up || up + n <= gate);
  elementwise_job job = {&c->kernels->rows, gate, up, NULL, n};
  gm_pool_run(c->pool, silu_mul_task, &job, (n + PIECE - 1) / PIECE);
}

typedef struct patches_job {
  float *out;
  const float *pixels;
  size_t size, patch;
} patches_job;

static void patches_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const patches_job *job = arg;
  size_t s = job->size, p = job->patch, across = s / p;
  for (size_t column = 0; column < across; column++) {
    float *out = job->out + (task * across + column) * 3 * p * p;
    for (size_t channel = 0; channel < 3; channel++) {
      for (size_t y = 0; y < p; y++, out += p) {
        const float *row = job->pixels + (channel * s + task * p + y) * s + column * p;
        memcpy(out, row, p * sizeof *out);
      }
    }
  }
}

void gm_patches(gm_compute *c, float *out, const float *pixels, size_t size, size_t patch) {
  assert(patch > 0 && size % patch == 0);
  patches_job job = {out, pixels, size, patch};
  gm_pool_run(c->pool, patches_task, &job, size / patch);
}
