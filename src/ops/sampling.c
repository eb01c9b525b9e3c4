/* sampling.c - ops.h: bilinear reading of maps whose channels are last: resizing, RoIAlign,
 * deformable attention. The first two find the rows (positions of the map) and weights that
 * make up one output row and leave the sum to one kernel. */
#include "ops.h"
#include "sampling_positions.h"

#include <assert.h>

enum { MAX_TAPS = 16, QUERIES_PER_TASK = 16 }; /* RoIAlign: 4 samples of 4 neighbours */

typedef struct tap_list {
  const float *rows[MAX_TAPS];
  float weights[MAX_TAPS];
  size_t n;
} tap_list;

static void push_tap(tap_list *taps, const float *row, float weight) {
  if (weight == 0) return;
  taps->rows[taps->n] = row;
  taps->weights[taps->n++] = weight;
}

/* Two neighbours in each of two rows; fy is the weight of the lower row. */
static void push_square(tap_list *taps, const float *upper, const float *lower, size_t ld,
                        gm_neighbours x, float fy, float share) {
  push_tap(taps, upper + x.low * ld, share * (1 - fy) * (1 - x.f));
  push_tap(taps, upper + x.high * ld, share * (1 - fy) * x.f);
  push_tap(taps, lower + x.low * ld, share * fy * (1 - x.f));
  push_tap(taps, lower + x.high * ld, share * fy * x.f);
}

/* ---- resizing */

typedef struct resize_job {
  const gm_row_kernels *k;
  float *out;
  const float *in;
  size_t ld_out, ho, wo, ld_in, hi, wi, channels;
} resize_job;

static void resize_task(void *arg, size_t y, size_t worker) {
  (void)worker;
  const resize_job *job = arg;
  gm_neighbours at_y = gm_resize_position(y, job->ho, job->hi);
  const float *upper = job->in + at_y.low * job->wi * job->ld_in;
  const float *lower = job->in + at_y.high * job->wi * job->ld_in;
  for (size_t x = 0; x < job->wo; x++) {
    gm_neighbours at_x = gm_resize_position(x, job->wo, job->wi);
    tap_list taps = {.n = 0};
    push_square(&taps, upper, lower, job->ld_in, at_x, at_y.f, 1);
    job->k->weighted_rows(job->out + (y * job->wo + x) * job->ld_out, taps.rows, taps.weights,
                          taps.n, job->channels);
  }
}

void gm_resize_bilinear(gm_compute *c, float *out, size_t ld_out, size_t ho, size_t wo,
                        const float *in, size_t ld_in, size_t hi, size_t wi, size_t channels) {
  assert(hi > 0 && wi > 0 && ld_in >= channels && ld_out >= channels);
  resize_job job = {&c->kernels->rows, out, in, ld_out, ho, wo, ld_in, hi, wi, channels};
  gm_pool_run(c->pool, resize_task, &job, ho);
}

/* ---- RoIAlign */

typedef struct roi_job {
  const gm_row_kernels *k;
  float *out;
  const float *map, *boxes;
  size_t h, w, channels, bins;
  float stride;
} roi_job;

static void roi_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const roi_job *job = arg;
  size_t row = task % job->bins;
  const float *box = job->boxes + 4 * (task / job->bins);
  gm_roi_axis x_axis = gm_roi_axis_of(box[0], box[2], job->bins, job->stride);
  gm_roi_axis y_axis = gm_roi_axis_of(box[1], box[3], job->bins, job->stride);
  for (size_t column = 0; column < job->bins; column++) {
    tap_list taps = {.n = 0};
    for (size_t sample = 0; sample < 4; sample++) {
      gm_neighbours y, x;
      if (!gm_roi_position(gm_roi_sample(y_axis, row, sample / 2), job->h, &y)) continue;
      if (!gm_roi_position(gm_roi_sample(x_axis, column, sample % 2), job->w, &x)) continue;
      const float *upper = job->map + y.low * job->w * job->channels;
      const float *lower = job->map + y.high * job->w * job->channels;
      push_square(&taps, upper, lower, job->channels, x, y.f, 0.25F);
    }
    job->k->weighted_rows(job->out + (task * job->bins + column) * job->channels, taps.rows,
                          taps.weights, taps.n, job->channels);
  }
}

void gm_roi_align(gm_compute *c, float *out, const float *map, size_t h, size_t w,
                  size_t channels, const float *boxes, size_t n, size_t bins, float stride) {
  assert(h > 0 && w > 0 && bins > 0 && stride > 0);
  roi_job job = {&c->kernels->rows, out, map, boxes, h, w, channels, bins, stride};
  gm_pool_run(c->pool, roi_task, &job, n * bins);
}

/* ---- deformable attention */

typedef struct deform_job {
  const gm_row_kernels *k;
  float *out;
  const gm_deform_map *map;
  const gm_reference *from;
  const float *offset, *score;
  size_t n_queries;
} deform_job;

static void deform_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const deform_job *job = arg;
  const gm_deform_map *map = job->map;
  size_t first = task * QUERIES_PER_TASK, last = first + QUERIES_PER_TASK;
  size_t points = map->heads * map->points;
  if (last > job->n_queries) last = job->n_queries;
  for (size_t i = first; i < last; i++)
    job->k->deform(job->out + i * map->heads * map->d, map, &job->from[i],
                   job->offset + i * points * 2, job->score + i * points);
}

void gm_deform_sample(gm_compute *c, float *out, const gm_deform_map *map,
                      const gm_reference *from, const float *offset, const float *score,
                      size_t n_queries) {
  assert(map->points > 0 && map->points <= GM_MAX_POINTS);
  deform_job job = {&c->kernels->rows, out, map, from, offset, score, n_queries};
  gm_pool_run(c->pool, deform_task, &job,
              (n_queries + QUERIES_PER_TASK - 1) / QUERIES_PER_TASK);
}
