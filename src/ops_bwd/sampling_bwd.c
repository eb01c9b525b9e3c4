/* sampling_bwd.c - ops_bwd.h: bilinear reading, the other way. Every gradient that is read by
 * bilinear weights is scattered with the same weights.
 *
 * What a task writes is its own: a row of the map (resizing, RoIAlign), a head (deformable
 * attention). It goes through all outputs in their order, so that each sum has one order. */
#include "ops_bwd.h"
#include "sampling_positions.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* y += w * x */
static void add_scaled(float *restrict y, const float *restrict x, float w, size_t n) {
  if (w == 0) return;
  for (size_t i = 0; i < n; i++) y[i] += w * x[i];
}

/* A row's share of a sample: weight `row` of it, spread over two columns. */
static void scatter(float *d_row, size_t ld, gm_neighbours x, float row, const float *d_out,
                    size_t n) {
  add_scaled(d_row + x.low * ld, d_out, row * (1 - x.f), n);
  add_scaled(d_row + x.high * ld, d_out, row * x.f, n);
}

/* How much of a sample between two rows falls on this one. */
static float row_weight(gm_neighbours y, size_t row) {
  return (y.low == row ? 1 - y.f : 0) + (y.high == row ? y.f : 0);
}

/* ---- resizing */

typedef struct resize_job {
  float *d_in;
  const float *d_out;
  size_t ld_in, hi, wi, ld_out, ho, wo, channels;
  bool add;
} resize_job;

static void resize_task(void *arg, size_t row, size_t worker) {
  (void)worker;
  const resize_job *job = arg;
  float *d_row = job->d_in + row * job->wi * job->ld_in;
  for (size_t x = 0; !job->add && x < job->wi; x++)
    memset(d_row + x * job->ld_in, 0, job->channels * sizeof *d_row);
  for (size_t y = 0; y < job->ho; y++) {
    float share = row_weight(gm_resize_position(y, job->ho, job->hi), row);
    for (size_t x = 0; share != 0 && x < job->wo; x++)
      scatter(d_row, job->ld_in, gm_resize_position(x, job->wo, job->wi), share,
              job->d_out + (y * job->wo + x) * job->ld_out, job->channels);
  }
}

void gm_resize_bilinear_back(const gm_training *t, float *d_in, size_t ld_in, size_t hi,
                             size_t wi, bool add, const float *d_out, size_t ld_out, size_t ho,
                             size_t wo, size_t channels) {
  assert(hi > 0 && wi > 0 && ld_in >= channels && ld_out >= channels);
  resize_job job = {d_in, d_out, ld_in, hi, wi, ld_out, ho, wo, channels, add};
  gm_pool_run(t->c->pool, resize_task, &job, hi);
}

/* ---- RoIAlign */

typedef struct roi_job {
  float *d_map;
  const float *boxes, *d_out;
  size_t h, w, channels, n, bins;
  float stride;
} roi_job;

/* The samples of one row of a box's bins that read this row of the map, `share` of each. */
static void scatter_bins(const roi_job *job, float *d_row, gm_roi_axis x_axis, float share,
                         const float *d_out) {
  for (size_t i = 0; i < 2 * job->bins; i++) {
    gm_neighbours x;
    if (!gm_roi_position(gm_roi_sample(x_axis, i / 2, i % 2), job->w, &x)) continue;
    scatter(d_row, job->channels, x, share, d_out + i / 2 * job->channels, job->channels);
  }
}

static void roi_task(void *arg, size_t row, size_t worker) {
  (void)worker;
  const roi_job *job = arg;
  float *d_row = job->d_map + row * job->w * job->channels;
  for (size_t b = 0; b < job->n; b++) {
    const float *box = job->boxes + 4 * b;
    const float *d_out = job->d_out + b * job->bins * job->bins * job->channels;
    gm_roi_axis x_axis = gm_roi_axis_of(box[0], box[2], job->bins, job->stride);
    gm_roi_axis y_axis = gm_roi_axis_of(box[1], box[3], job->bins, job->stride);
    for (size_t i = 0; i < 2 * job->bins; i++) {
      gm_neighbours y;
      if (!gm_roi_position(gm_roi_sample(y_axis, i / 2, i % 2), job->h, &y)) continue;
      float share = 0.25F * row_weight(y, row);
      if (share != 0)
        scatter_bins(job, d_row, x_axis, share, d_out + i / 2 * job->bins * job->channels);
    }
  }
}

gm_status gm_roi_align_back(const gm_training *t, float *d_map, size_t h, size_t w,
                            size_t channels, const float *boxes, size_t n, size_t bins,
                            float stride, const float *d_out) {
  assert(h > 0 && w > 0 && bins > 0 && stride > 0);
  roi_job job = {d_map, boxes, d_out, h, w, channels, n, bins, stride};
  double samples = 4 * (double)n * (double)bins * (double)bins;
  return gm_run_in_pieces(t->c, roi_task, &job, h, 1, 4 * samples * (double)channels);
}

/* ---- deformable attention */

typedef struct deform_job {
  const gm_deform_map *map;
  const gm_reference *from;
  const float *offset, *score, *d_out;
  float *d_values, *d_offset, *d_score;
  size_t n_queries;
  bool add;
} deform_job;

/* One axis of a point: cells low and low + 1, of which those outside the map count as 0. */
typedef struct point_axis {
  ptrdiff_t low;
  float f;
} point_axis;

/* false where no cell is read. At a cell's centre, where the reading has a kink, the cells are
 * those towards higher coordinates, as the forward takes them. */
static bool find_point(float origin, float offset, float step, size_t n, point_axis *out) {
  float at = fmaf(offset, step, origin);
  if (!(at >= -1 && at < (float)n)) return false;
  float low = floorf(at);
  *out = (point_axis){(ptrdiff_t)low, at - low};
  return true;
}

static bool inside(const gm_deform_map *map, ptrdiff_t y, ptrdiff_t x) {
  return y >= 0 && x >= 0 && (size_t)y < map->h && (size_t)x < map->w;
}

/* What one point contributes to d_out . out: the reading itself, and its slopes. */
typedef struct point_slopes {
  float value, by_x, by_y;
} point_slopes;

/* Scatters share * d_out to the cells of the point and returns d_out . its reading. */
static point_slopes read_point(const deform_job *job, size_t head, point_axis y, point_axis x,
                               float share, const float *d_out) {
  const gm_deform_map *map = job->map;
  const float across[2] = {1 - x.f, x.f}, down[2] = {1 - y.f, y.f};
  point_slopes s = {0, 0, 0};
  for (ptrdiff_t j = 0; j < 4; j++) {
    ptrdiff_t row = j / 2, column = j % 2;
    if (!inside(map, y.low + row, x.low + column)) continue;
    size_t cell = (size_t)(y.low + row) * map->w + (size_t)(x.low + column);
    size_t at = cell * map->ld + head * map->d;
    float dot = 0, weight = share * down[row] * across[column];
    for (size_t i = 0; i < map->d; i++) {
      dot += d_out[i] * map->value[at + i];
      job->d_values[at + i] += weight * d_out[i];
    }
    s.value += down[row] * across[column] * dot;
    s.by_x += column ? down[row] * dot : -down[row] * dot;
    s.by_y += row ? across[column] * dot : -across[column] * dot;
  }
  return s;
}

static void find_shares(float *share, const float *score, size_t points) {
  float top = score[0], sum = 0;
  for (size_t p = 1; p < points; p++) top = score[p] > top ? score[p] : top;
  for (size_t p = 0; p < points; p++) sum += share[p] = expf(score[p] - top);
  for (size_t p = 0; p < points; p++) share[p] /= sum;
}

/* One query's gradients of one head. */
static void deform_query(const deform_job *job, size_t head, size_t query) {
  const gm_deform_map *map = job->map;
  const gm_reference *from = &job->from[query];
  const float *d_out = job->d_out + (query * map->heads + head) * map->d;
  size_t first = (query * map->heads + head) * map->points;
  float share[GM_MAX_POINTS], value[GM_MAX_POINTS], mean = 0;
  float w = (float)map->w, h = (float)map->h, step_x = from->step_x * w,
        step_y = from->step_y * h;
  find_shares(share, job->score + first, map->points);
  for (size_t p = 0; p < map->points; p++) {
    const float *offset = job->offset + 2 * (first + p);
    float *d_offset = job->d_offset + 2 * (first + p);
    point_axis x, y;
    point_slopes s = {0, 0, 0};
    if (find_point(from->x * w - 0.5F, offset[0], step_x, map->w, &x) &&
        find_point(from->y * h - 0.5F, offset[1], step_y, map->h, &y))
      s = read_point(job, head, y, x, share[p], d_out);
    d_offset[0] = share[p] * s.by_x * step_x;
    d_offset[1] = share[p] * s.by_y * step_y;
    value[p] = s.value;
    mean += share[p] * s.value;
  }
  for (size_t p = 0; p < map->points; p++)
    job->d_score[first + p] = share[p] * (value[p] - mean);
}

static void deform_task(void *arg, size_t head, size_t worker) {
  (void)worker;
  const deform_job *job = arg;
  const gm_deform_map *map = job->map;
  for (size_t i = 0; !job->add && i < map->h * map->w; i++)
    memset(job->d_values + i * map->ld + head * map->d, 0, map->d * sizeof(float));
  for (size_t query = 0; query < job->n_queries; query++) deform_query(job, head, query);
}

gm_status gm_deform_sample_back(const gm_training *t, const gm_deform_map *map,
                                const gm_reference *from, const float *offset,
                                const float *score, size_t n_queries, const float *d_out,
                                float *d_values, bool add, float *d_offset, float *d_score) {
  assert(map->points > 0 && map->points <= GM_MAX_POINTS);
  deform_job job = {map,      from,     offset,  score,     d_out,
                    d_values, d_offset, d_score, n_queries, add};
  double readings = (double)n_queries * (double)map->heads * (double)map->points;
  return gm_run_in_pieces(t->c, deform_task, &job, map->heads, 1,
                          8 * readings * (double)map->d);
}
