/* conv.c - ops.h: 3x3 convolution as nine matrix products.
 *
 * The picture is worked on in bands of output rows. A band and the row above and below it are
 * copied into scratch with one zero position after each row, so that position p of the band and
 * its neighbour at (dy, dx) are always dy * (w + 1) + dx positions apart: each of the nine taps
 * is then one product of a contiguous run of positions with that tap's [co, ci] matrix,
 * whatever the weight's type. The zero positions cost 1 / (w + 1) more arithmetic. Small maps
 * (regions) go several to a band, a zero row between them. */
#include "ops.h"

#include <assert.h>
#include <string.h>

/* Positions of one band: enough for a weight that is read once per band to be worth it, few
 * enough for a band of 1024 channels to stay in a last-level cache. */
enum { BAND_POSITIONS = 1024 };

typedef struct conv_job {
  const float *x;
  float *y;
  size_t h, w, ci, co;
  size_t first, rows; /* band: output rows, counted over all maps with their zero rows */
  float *in, *out;    /* band, see fill_task and store_task */
} conv_job;

/* Rows are counted with one zero row after each map: row r is row r % (h + 1) of map
 * r / (h + 1). NULL for a zero row. r + 1 so that the row before the first can be asked for. */
static const float *input_row(const conv_job *job, size_t r_plus_1) {
  if (r_plus_1 == 0) return NULL;
  size_t map = (r_plus_1 - 1) / (job->h + 1), row = (r_plus_1 - 1) % (job->h + 1);
  return row == job->h ? NULL : job->x + (map * job->h + row) * job->w * job->ci;
}

/* in: [rows + 2][w + 1][ci] after one zero position, and one more at its end. */
static void fill_task(void *arg, size_t row, size_t worker) {
  (void)worker;
  const conv_job *job = arg;
  float *out = job->in + (1 + row * (job->w + 1)) * job->ci;
  const float *x = input_row(job, job->first + row);
  size_t floats = job->w * job->ci;
  if (x)
    memcpy(out, x, floats * sizeof *out);
  else
    memset(out, 0, floats * sizeof *out);
  memset(out + floats, 0, job->ci * sizeof *out);
}

/* out: [rows][w + 1][co]; the last position of each row and the zero rows mean nothing. */
static void store_task(void *arg, size_t row, size_t worker) {
  (void)worker;
  const conv_job *job = arg;
  size_t r = job->first + row, map = r / (job->h + 1);
  if (r % (job->h + 1) == job->h) return;
  size_t floats = job->w * job->co;
  memcpy(job->y + (map * job->h + r % (job->h + 1)) * floats,
         job->out + row * (job->w + 1) * job->co, floats * sizeof *job->y);
}

static gm_status convolve_band(gm_compute *c, conv_job *job, const gm_tensor *weight,
                               const float *bias) {
  size_t pitch = job->w + 1, positions = job->rows * pitch - 1;
  gm_pool_run(c->pool, fill_task, job, job->rows + 2);
  for (size_t tap = 0; tap < 9; tap++) {
    gm_tensor w = gm_tensor_slice(weight, tap * job->co, job->co);
    gm_linear_out out = {.w = &w,
                         .bias = tap == 0 ? bias : NULL,
                         .accumulate = tap > 0,
                         .y = job->out,
                         .ldy = job->co};
    const float *x = job->in + (tap / 3 * pitch + tap % 3) * job->ci;
    GM_TRY(gm_linear(c, x, job->ci, positions, &out, 1));
  }
  gm_pool_run(c->pool, store_task, job, job->rows);
  return GM_OK;
}

gm_status gm_conv3x3(gm_compute *c, float *y, const float *x, size_t b, size_t h, size_t w,
                     const gm_tensor *weight, const float *bias) {
  assert(weight->n_dims == 4 && weight->shape[0] == 3 && weight->shape[1] == 3);
  if (b == 0 || h == 0 || w == 0) return GM_OK;
  conv_job job = {
      .x = x, .y = y, .h = h, .w = w, .ci = weight->shape[3], .co = weight->shape[2]};
  size_t all_rows = b * (h + 1) - 1, bands = all_rows * (w + 1) / BAND_POSITIONS + 1;
  size_t band = (all_rows + bands - 1) / bands;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  size_t in_floats = ((band + 2) * (w + 1) + 1) * job.ci;
  job.in = gm_scratch_f32(c, in_floats, "a band of a convolution's input");
  job.out = gm_scratch_f32(c, band * (w + 1) * job.co, "a band of a convolution's output");
  if (!job.in || !job.out) {
    gm_arena_restore(&c->arena, mark);
    return GM_ERR_MEMORY;
  }
  memset(job.in, 0, job.ci * sizeof *job.in);
  gm_status status = GM_OK;
  for (job.first = 0; job.first < all_rows && status == GM_OK; job.first += band) {
    job.rows = all_rows - job.first < band ? all_rows - job.first : band;
    status = convolve_band(c, &job, weight, bias);
  }
  gm_arena_restore(&c->arena, mark);
  return status;
}
