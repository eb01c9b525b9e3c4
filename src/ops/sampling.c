/* sampling.c - ops.h: bilinear reading of maps whose channels are last: resizing, RoIAlign,
 * deformable attention. The first two find the rows (positions of the map) and weights that
 * make up one output row and leave the sum to one kernel. */
#include "ops.h"

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

/* ---- resizing */

typedef struct resize_job {
  const gm_row_kernels *k;
  float *out;
  const float *in;
  size_t ld_out, ho, wo, ld_in, hi, wi, channels;
} resize_job;

/* Lower neighbour, upper neighbour and the upper one's weight for output position i of n. */
static void resize_position(size_t i, size_t n_out, size_t n_in, size_t *low, size_t *high,
                            float *weight) {
  float step = n_out > 1 ? (float)(n_in - 1) / (float)(n_out - 1) : 0;
  float at = step * (float)i;
  size_t floor = (size_t)at;
  *low = floor < n_in - 1 ? floor : n_in - 1;
  *high = *low < n_in - 1 ? *low + 1 : *low;
  *weight = at - (float)*low;
}

static void resize_task(void *arg, size_t y, size_t worker) {
  (void)worker;
  const resize_job *job = arg;
  size_t y0, y1, x0, x1;
  float fy, fx;
  resize_position(y, job->ho, job->hi, &y0, &y1, &fy);
  const float *upper = job->in + y0 * job->wi * job->ld_in;
  const float *lower = job->in + y1 * job->wi * job->ld_in;
  for (size_t x = 0; x < job->wo; x++) {
    resize_position(x, job->wo, job->wi, &x0, &x1, &fx);
    tap_list taps = {.n = 0};
    push_tap(&taps, upper + x0 * job->ld_in, (1 - fy) * (1 - fx));
    push_tap(&taps, upper + x1 * job->ld_in, (1 - fy) * fx);
    push_tap(&taps, lower + x0 * job->ld_in, fy * (1 - fx));
    push_tap(&taps, lower + x1 * job->ld_in, fy * fx);
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

/* Neighbours of one coordinate under RoIAlign's rules; false where the sample is off the map.
 */
static bool roi_position(float at, size_t n, size_t *low, size_t *high, float *weight) {
  if (!(at >= -1 && at <= (float)n)) return false;
  if (at < 0) at = 0;
  *low = (size_t)at;
  *high = *low + 1;
  if (*low >= n - 1) {
    *low = *high = n - 1;
    at = (float)*low;
  }
  *weight = at - (float)*low;
  return true;
}

static void roi_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const roi_job *job = arg;
  size_t row = task % job->bins;
  const float *box = job->boxes + 4 * (task / job->bins);
  float x_start = box[0] / job->stride - 0.5F, y_start = box[1] / job->stride - 0.5F;
  float x_bin = (box[2] - box[0]) / job->stride / (float)job->bins;
  float y_bin = (box[3] - box[1]) / job->stride / (float)job->bins;
  for (size_t column = 0; column < job->bins; column++) {
    tap_list taps = {.n = 0};
    for (size_t sample = 0; sample < 4; sample++) {
      float y = y_start + y_bin * ((float)row + 0.25F + 0.5F * (float)(sample / 2));
      float x = x_start + x_bin * ((float)column + 0.25F + 0.5F * (float)(sample % 2));
      size_t y0, y1, x0, x1;
      float fy, fx;
      if (!roi_position(y, job->h, &y0, &y1, &fy)) continue;
      if (!roi_position(x, job->w, &x0, &x1, &fx)) continue;
      const float *upper = job->map + y0 * job->w * job->channels;
      const float *lower = job->map + y1 * job->w * job->channels;
      push_tap(&taps, upper + x0 * job->channels, 0.25F * (1 - fy) * (1 - fx));
      push_tap(&taps, upper + x1 * job->channels, 0.25F * (1 - fy) * fx);
      push_tap(&taps, lower + x0 * job->channels, 0.25F * fy * (1 - fx));
      push_tap(&taps, lower + x1 * job->channels, 0.25F * fy * fx);
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
