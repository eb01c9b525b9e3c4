/* norms.c - ops.h: layer, RMS and group norm.
 *
 * Group norm reads the map twice. First, pieces of STATS_ROWS positions give per channel a mean
 * and a sum of squared distances from it, which are merged in a fixed order and in double
 * (Chan, Golub, LeVeque 1979), so that a mean far from 0 costs no precision; then every channel
 * is scaled and shifted. */
#include "ops.h"

#include <assert.h>
#include <math.h>

enum { NORM_FLOATS = 16384, STATS_ROWS = 32 };

typedef struct norm_job {
  const gm_row_kernels *k;
  float *y;
  const float *x, *weight, *bias;
  size_t rows, dim, rows_per_task;
  float eps;
} norm_job;

static void norm_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const norm_job *job = arg;
  size_t first = task * job->rows_per_task, last = first + job->rows_per_task;
  if (last > job->rows) last = job->rows;
  for (size_t r = first; r < last; r++) {
    float *y = job->y + r * job->dim;
    const float *x = job->x + r * job->dim;
    if (job->bias)
      job->k->layer_norm(y, x, job->weight, job->bias, job->dim, job->eps);
    else
      job->k->rms_norm(y, x, job->weight, job->dim, job->eps);
  }
}

static void run_norm(gm_compute *c, norm_job *job) {
  job->k = &c->kernels->rows;
  job->rows_per_task = job->dim < NORM_FLOATS ? NORM_FLOATS / job->dim : 1;
  gm_pool_run(c->pool, norm_task, job,
              (job->rows + job->rows_per_task - 1) / job->rows_per_task);
}

void gm_layer_norm(gm_compute *c, float *y, const float *x, size_t rows, size_t dim,
                   const float *weight, const float *bias, float eps) {
  assert(dim > 0 && bias);
  norm_job job = {
      .y = y, .x = x, .weight = weight, .bias = bias, .rows = rows, .dim = dim, .eps = eps};
  run_norm(c, &job);
}

void gm_rms_norm(gm_compute *c, float *y, const float *x, size_t rows, size_t dim,
                 const float *weight, float eps) {
  assert(dim > 0);
  norm_job job = {.y = y, .x = x, .weight = weight, .rows = rows, .dim = dim, .eps = eps};
  run_norm(c, &job);
}

typedef struct group_norm_job {
  const gm_row_kernels *k;
  float *x;
  size_t hw, channels, groups, pieces;
  const float *weight, *bias;
  float eps;
  bool relu;
  float *stats;               /* [b, groups, 2] or NULL */
  float *means, *m2s;         /* [b * pieces, channels] */
  float *scale_of, *shift_of; /* [b, channels] */
} group_norm_job;

static size_t piece_rows(const group_norm_job *job, size_t piece) {
  size_t left = job->hw - piece * STATS_ROWS;
  return left < STATS_ROWS ? left : STATS_ROWS;
}

static float *piece_of(const group_norm_job *job, size_t task) {
  size_t entry = task / job->pieces, piece = task % job->pieces;
  return job->x + (entry * job->hw + piece * STATS_ROWS) * job->channels;
}

static void stats_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const group_norm_job *job = arg;
  job->k->column_stats(job->means + task * job->channels, job->m2s + task * job->channels,
                       piece_of(job, task), piece_rows(job, task % job->pieces), job->channels);
}

/* Merges what the pieces found for one batch entry and group. */
static void merge_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const group_norm_job *job = arg;
  size_t width = job->channels / job->groups;
  size_t entry = task / job->groups, first = task % job->groups * width;
  double n = 0, mean = 0, m2 = 0;
  for (size_t piece = 0; piece < job->pieces; piece++) {
    size_t at = (entry * job->pieces + piece) * job->channels;
    double rows = (double)piece_rows(job, piece);
    for (size_t i = first; i < first + width; i++) {
      double delta = (double)job->means[at + i] - mean, all = n + rows;
      mean += delta * rows / all;
      m2 += (double)job->m2s[at + i] + delta * delta * n * rows / all;
      n = all;
    }
  }
  double inverse = 1 / sqrt(m2 / n + (double)job->eps);
  if (job->stats) {
    job->stats[2 * task] = (float)mean;
    job->stats[2 * task + 1] = (float)inverse;
  }
  for (size_t i = first; i < first + width; i++) {
    double s = inverse * (double)job->weight[i];
    job->scale_of[entry * job->channels + i] = (float)s;
    job->shift_of[entry * job->channels + i] = (float)((double)job->bias[i] - mean * s);
  }
}

static void apply_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const group_norm_job *job = arg;
  size_t at = task / job->pieces * job->channels;
  job->k->scale_shift(piece_of(job, task), job->scale_of + at, job->shift_of + at,
                      piece_rows(job, task % job->pieces), job->channels, job->relu);
}

gm_status gm_group_norm(gm_compute *c, float *x, size_t b, size_t hw, size_t channels,
                        size_t groups, const float *weight, const float *bias, float eps,
                        bool relu, float *stats) {
  assert(groups > 0 && channels % groups == 0);
  if (b == 0 || hw == 0) return GM_OK;
  group_norm_job job = {.k = &c->kernels->rows,
                        .x = x,
                        .hw = hw,
                        .channels = channels,
                        .groups = groups,
                        .weight = weight,
                        .bias = bias,
                        .eps = eps,
                        .relu = relu,
                        .stats = stats,
                        .pieces = (hw + STATS_ROWS - 1) / STATS_ROWS};
  gm_arena_mark mark = gm_arena_save(&c->arena);
  size_t floats = b * job.pieces * channels;
  job.means = gm_scratch_f32(c, 2 * (floats + b * channels), "group norm");
  if (!job.means) return GM_ERR_MEMORY;
  job.m2s = job.means + floats;
  job.scale_of = job.m2s + floats;
  job.shift_of = job.scale_of + b * channels;
  gm_pool_run(c->pool, stats_task, &job, b * job.pieces);
  gm_pool_run(c->pool, merge_task, &job, b * groups);
  gm_pool_run(c->pool, apply_task, &job, b * job.pieces);
  gm_arena_restore(&c->arena, mark);
  return GM_OK;
}
