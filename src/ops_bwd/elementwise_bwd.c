/* elementwise_bwd.c - ops_bwd.h: activations, gates, LayerScale, dropout. */
#include "ops_bwd.h"
#include "rng.h"
#include "row_sums.h"
#include "sizes.h"

#include <string.h>

/* Elements of one task: enough that the cost of handing it out does not matter. */
enum { PIECE = 16384 };

typedef struct elementwise_job {
  const gm_kernels *k;
  gm_act act;
  float *out, *out2;
  const float *a, *b, *c;
  size_t n;
} elementwise_job;

static void run(const gm_training *t, gm_task_fn fn, elementwise_job *job) {
  job->k = t->c->kernels;
  gm_pool_run(t->c->pool, fn, job, gm_ceil_div(job->n, PIECE));
}

static void act_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const elementwise_job *job = arg;
  size_t at = task * PIECE, n = gm_min_size(PIECE, job->n - at);
  gm_epilogue e = {.act = job->act};
  job->k->epilogue(job->out + at, n, job->a + at, n, 1, n, &e);
}

void gm_act_train(const gm_training *t, gm_act act, float *y, const float *x, size_t n) {
  run(t, act_task, &(elementwise_job){.act = act, .out = y, .a = x, .n = n});
}

static void act_back_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const elementwise_job *job = arg;
  size_t at = task * PIECE, n = gm_min_size(PIECE, job->n - at);
  job->k->train.act_back(job->out + at, job->a + at, job->b + at, n, job->act);
}

void gm_act_back(const gm_training *t, gm_act act, float *dx, const float *x, const float *dy,
                 size_t n) {
  run(t, act_back_task, &(elementwise_job){.act = act, .out = dx, .a = x, .b = dy, .n = n});
}

static void silu_mul_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const elementwise_job *job = arg;
  size_t at = task * PIECE, n = gm_min_size(PIECE, job->n - at);
  if (job->out != job->a) memcpy(job->out + at, job->a + at, n * sizeof *job->a);
  job->k->rows.silu_mul(job->out + at, job->b + at, n);
}

void gm_silu_mul_train(const gm_training *t, float *y, const float *gate, const float *up,
                       size_t n) {
  run(t, silu_mul_task, &(elementwise_job){.out = y, .a = gate, .b = up, .n = n});
}

static void silu_mul_back_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const elementwise_job *job = arg;
  size_t at = task * PIECE, n = gm_min_size(PIECE, job->n - at);
  job->k->train.silu_mul_back(job->out + at, job->out2 + at, job->a + at, job->b + at,
                              job->c + at, n);
}

void gm_silu_mul_back(const gm_training *t, float *d_gate, float *d_up, const float *gate,
                      const float *up, const float *dy, size_t n) {
  run(t, silu_mul_back_task,
      &(elementwise_job){.out = d_gate, .out2 = d_up, .a = gate, .b = up, .c = dy, .n = n});
}

/* ---- LayerScale: a task is a block of rows */

typedef struct scale_job {
  const gm_train_kernels *k;
  float *out, *sums; /* either may be NULL */
  const float *in, *x, *scale;
  size_t rows, dim;
} scale_job;

static void scale_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const scale_job *job = arg;
  size_t dim = job->dim;
  gm_row_block block = gm_row_block_at(job->rows, task);
  float *sums = job->sums ? job->sums + task * dim : NULL;
  if (sums) memset(sums, 0, dim * sizeof *sums);
  for (size_t at = block.first * dim; at < block.end * dim; at += dim) {
    if (sums) job->k->multiply_add(sums, job->in + at, job->x + at, dim);
    if (job->out) job->k->multiply(job->out + at, job->in + at, job->scale, dim);
  }
}

void gm_scale_train(const gm_training *t, float *y, const float *x, size_t rows, size_t dim,
                    const float *scale) {
  scale_job job = {
      .k = &t->c->kernels->train, .out = y, .in = x, .scale = scale, .rows = rows, .dim = dim};
  gm_pool_run(t->c->pool, scale_task, &job, gm_row_blocks(rows));
}

gm_status gm_scale_back(const gm_training *t, float *dx, const float *x, const float *dy,
                        size_t rows, size_t dim, const float *scale) {
  gm_compute *c = t->c;
  float *gradient = gm_gradient(t, scale);
  size_t blocks = gm_row_blocks(rows);
  scale_job job = {&c->kernels->train, dx, NULL, dy, x, scale, rows, dim};
  gm_arena_mark mark = gm_arena_save(&c->arena);
  if (gradient) {
    job.sums = gm_scratch_f32(c, blocks * dim, "the gradient of a scale");
    if (!job.sums) return GM_ERR_MEMORY;
  }
  if (job.out || job.sums) gm_pool_run(c->pool, scale_task, &job, blocks);
  if (gradient) gm_add_sum_of_rows(t, gradient, job.sums, dim, blocks, dim);
  gm_arena_restore(&c->arena, mark);
  return GM_OK;
}

/* ---- dropout */

typedef struct dropout_job {
  uint64_t key, least; /* an element stays if its 32 bits are not less */
  float scale;
  float *x;
  size_t n;
} dropout_job;

static void dropout_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const dropout_job *job = arg;
  size_t at = task * PIECE, end = gm_min_size(at + PIECE, job->n);
  for (size_t i = at; i < end; i++) {
    gm_rng rng = {job->key + i};
    bool stays = gm_rng_u64(&rng) >> 32 >= job->least;
    job->x[i] = stays ? job->x[i] * job->scale : 0;
  }
}

void gm_dropout(const gm_training *t, uint64_t place, float *x, size_t n) {
  if (!(t->dropout > 0)) return;
  /* Mixed, so that neighbouring keys and places do not share their elements' numbers. */
  gm_rng rng = {t->drop_key ^ gm_mix64(place + 1)};
  dropout_job job = {gm_rng_u64(&rng), (uint64_t)((double)t->dropout * 0x1p32),
                     1 / (1 - t->dropout), x, n};
  gm_pool_run(t->c->pool, dropout_task, &job, gm_ceil_div(n, PIECE));
}
