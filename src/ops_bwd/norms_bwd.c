/* norms_bwd.c - ops_bwd.h: layer, RMS and group norm.
 *
 * With x' the normalised input and g = dy * weight, the gradient by x is g less its mean and
 * less its part along x', over the deviation: (g - mean(g) - x' mean(g x')) / deviation. RMS
 * norm takes no mean away, forwards or backwards. Means are over the row, or over the positions
 * and channels of a group. */
#include "ops_bwd.h"
#include "row_sums.h"
#include "sizes.h"

#include <assert.h>
#include <string.h>

typedef struct norm_job {
  const gm_kernels *k;
  float *out, *stats;
  const float *x, *dy, *weight, *bias; /* bias NULL: RMS norm */
  size_t rows, dim;
  float eps;
  bool add;
  float *dw, *db; /* [blocks, dim] at steps of `step`, or NULL */
  size_t step;
} norm_job;

static void norm_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const norm_job *job = arg;
  size_t dim = job->dim;
  gm_row_block block = gm_row_block_at(job->rows, task);
  for (size_t r = block.first; r < block.end; r++) {
    const float *x = job->x + r * dim;
    job->k->train.norm_stats(job->stats + 2 * r, x, dim, job->eps, job->bias != NULL);
    if (job->bias)
      job->k->rows.layer_norm(job->out + r * dim, x, job->weight, job->bias, dim, job->eps);
    else
      job->k->rows.rms_norm(job->out + r * dim, x, job->weight, dim, job->eps);
  }
}

void gm_layer_norm_train(const gm_training *t, float *y, const float *x, float *stats,
                         size_t rows, size_t dim, const float *weight, const float *bias,
                         float eps) {
  assert(dim > 0 && bias);
  norm_job job = {.k = t->c->kernels,
                  .out = y,
                  .stats = stats,
                  .x = x,
                  .weight = weight,
                  .bias = bias,
                  .rows = rows,
                  .dim = dim,
                  .eps = eps};
  gm_pool_run(t->c->pool, norm_task, &job, gm_row_blocks(rows));
}

void gm_rms_norm_train(const gm_training *t, float *y, const float *x, float *stats,
                       size_t rows, size_t dim, const float *weight, float eps) {
  assert(dim > 0);
  norm_job job = {.k = t->c->kernels,
                  .out = y,
                  .stats = stats,
                  .x = x,
                  .weight = weight,
                  .rows = rows,
                  .dim = dim,
                  .eps = eps};
  gm_pool_run(t->c->pool, norm_task, &job, gm_row_blocks(rows));
}

static float *block_sums(float *sums, size_t step, size_t block, size_t dim) {
  return sums ? memset(sums + block * step, 0, dim * sizeof *sums) : NULL;
}

static void norm_back_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const norm_job *job = arg;
  size_t dim = job->dim;
  gm_row_block block = gm_row_block_at(job->rows, task);
  gm_norm_row row = {.dw = block_sums(job->dw, job->step, task, dim),
                     .db = block_sums(job->db, job->step, task, dim),
                     .w = job->weight,
                     .centred = job->bias != NULL,
                     .add = job->add};
  for (size_t r = block.first; r < block.end; r++) {
    row.dx = job->out ? job->out + r * dim : NULL;
    row.x = job->x + r * dim;
    row.dy = job->dy + r * dim;
    row.mean = job->stats[2 * r];
    row.inverse = job->stats[2 * r + 1];
    job->k->train.norm_back(&row, dim);
  }
}

static gm_status norm_back(const gm_training *t, norm_job *job, const float *stats) {
  gm_compute *c = t->c;
  float *dw = gm_gradient(t, job->weight), *db = gm_gradient(t, job->bias);
  if (!job->out && !dw && !db) return GM_OK;
  size_t blocks = gm_row_blocks(job->rows), dim = job->dim;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  job->k = c->kernels;
  job->stats = (float *)(uintptr_t)stats; /* only read */
  if (dw || db) {
    float *sums = gm_scratch_f32(c, blocks * 2 * dim, "gradients of a norm");
    if (!sums) return GM_ERR_MEMORY;
    job->step = 2 * dim;
    if (dw) job->dw = sums;
    if (db) job->db = sums + dim;
  }
  gm_pool_run(c->pool, norm_back_task, job, blocks);
  if (dw) gm_add_sum_of_rows(t, dw, job->dw, job->step, blocks, dim);
  if (db) gm_add_sum_of_rows(t, db, job->db, job->step, blocks, dim);
  gm_arena_restore(&c->arena, mark);
  return GM_OK;
}

gm_status gm_layer_norm_back(const gm_training *t, float *dx, bool add, const float *x,
                             const float *stats, const float *dy, size_t rows, size_t dim,
                             const float *weight, const float *bias) {
  assert(bias);
  norm_job job = {.out = dx,
                  .x = x,
                  .dy = dy,
                  .weight = weight,
                  .bias = bias,
                  .rows = rows,
                  .dim = dim,
                  .add = add};
  return norm_back(t, &job, stats);
}

gm_status gm_rms_norm_back(const gm_training *t, float *dx, bool add, const float *x,
                           const float *stats, const float *dy, size_t rows, size_t dim,
                           const float *weight) {
  norm_job job = {
      .out = dx, .x = x, .dy = dy, .weight = weight, .rows = rows, .dim = dim, .add = add};
  return norm_back(t, &job, stats);
}

/* ---- group norm */

gm_status gm_group_norm_train(const gm_training *t, float *y, const float *x, float *stats,
                              size_t b, size_t hw, size_t channels, size_t groups,
                              const float *weight, const float *bias, float eps, bool relu) {
  assert(y != x);
  memcpy(y, x, b * hw * channels * sizeof *y);
  return gm_group_norm(t->c, y, b, hw, channels, groups, weight, bias, eps, relu, stats);
}

/* dx = dy * a + (x - mean) * b + c in every channel of a batch entry. */
typedef struct group_job {
  const gm_train_kernels *k;
  const float *x, *y, *dy, *stats, *weight; /* y NULL: no ReLU */
  float *dx;
  bool add;
  size_t hw, channels, groups, pieces;
  float *mean, *a, *b, *c; /* [batch, channels] */
  float *dw, *db;          /* [batch, channels] */
  float *sums, *products;  /* [batch * pieces, channels] */
} group_job;

static gm_channel_rows piece_of(const group_job *job, size_t task, size_t *at) {
  size_t entry = task / job->pieces;
  gm_row_block block = gm_row_block_at(job->hw, task % job->pieces);
  *at = (entry * job->hw + block.first) * job->channels;
  return (gm_channel_rows){job->x + *at, job->dy + *at, job->y ? job->y + *at : NULL,
                           job->mean + entry * job->channels, block.end - block.first};
}

static void group_sums_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const group_job *job = arg;
  size_t at, n = job->channels;
  gm_channel_rows rows = piece_of(job, task, &at);
  job->k->channel_sums(job->sums + task * n, job->products + task * n, &rows, n);
}

/* Sums of one batch entry and group: what its weights get, and a, b and c. */
static void group_merge_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const group_job *job = arg;
  size_t n = job->channels, width = n / job->groups;
  size_t entry = task / job->groups, first = task % job->groups * width;
  double inverse = (double)job->stats[2 * task + 1], mean_g = 0, along = 0;
  double count = (double)(job->hw * width);
  for (size_t i = first; i < first + width; i++) {
    double sum = 0, product = 0, weight = (double)job->weight[i];
    for (size_t piece = 0; piece < job->pieces; piece++) {
      size_t at = (entry * job->pieces + piece) * n + i;
      sum += (double)job->sums[at];
      product += (double)job->products[at];
    }
    job->db[entry * n + i] = (float)sum;
    job->dw[entry * n + i] = (float)(product * inverse);
    job->a[entry * n + i] = (float)(inverse * weight);
    mean_g += sum * weight / count;
    along += product * inverse * weight / count;
  }
  for (size_t i = entry * n + first; i < entry * n + first + width; i++) {
    job->b[i] = (float)(-inverse * inverse * along);
    job->c[i] = (float)(-inverse * mean_g);
  }
}

static void group_back_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const group_job *job = arg;
  size_t at, n = job->channels, channel = task / job->pieces * n;
  gm_channel_rows rows = piece_of(job, task, &at);
  job->k->channel_back(job->dx + at, job->add, &rows, job->a + channel, job->b + channel,
                       job->c + channel, n);
}

gm_status gm_group_norm_back(const gm_training *t, float *dx, bool add, const float *x,
                             const float *y, const float *stats, const float *dy, size_t b,
                             size_t hw, size_t channels, size_t groups, const float *weight,
                             const float *bias, bool relu) {
  gm_compute *c = t->c;
  float *dw = gm_gradient(t, weight), *db = gm_gradient(t, bias);
  assert(groups > 0 && channels % groups == 0);
  if (b == 0 || hw == 0 || (!dx && !dw && !db)) return GM_OK;
  group_job job = {.k = &c->kernels->train,
                   .x = x,
                   .y = relu ? y : NULL,
                   .dy = dy,
                   .stats = stats,
                   .weight = weight,
                   .dx = dx,
                   .add = add,
                   .hw = hw,
                   .channels = channels,
                   .groups = groups,
                   .pieces = gm_row_blocks(hw)};
  size_t entries = b * channels, pieces = b * job.pieces;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *scratch = gm_scratch_f32(c, 6 * entries + 2 * pieces * channels, "group norm");
  if (!scratch) return GM_ERR_MEMORY;
  float **parts[] = {&job.mean, &job.a, &job.b, &job.c, &job.dw, &job.db, &job.sums};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) *parts[i] = scratch + i * entries;
  job.products = job.sums + pieces * channels;
  for (size_t i = 0; i < entries; i++) job.mean[i] = stats[i / (channels / groups) * 2];
  gm_pool_run(c->pool, group_sums_task, &job, pieces);
  gm_pool_run(c->pool, group_merge_task, &job, b * groups);
  if (dx) gm_pool_run(c->pool, group_back_task, &job, pieces);
  if (dw) gm_add_sum_of_rows(t, dw, job.dw, channels, b, channels);
  if (db) gm_add_sum_of_rows(t, db, job.db, channels, b, channels);
  gm_arena_restore(&c->arena, mark);
  return GM_OK;
}
