/* conv.c - ops.h: 3x3 convolution, where it is too small for conv_winograd.c, as nine matrix
 * products.
 *
 * The picture is worked on in bands of output rows. A band and the row above and below it are
 * copied into scratch with one zero position after each row, so that position p of the band and
 * its neighbour at (dy, dx) are always dy * (w + 1) + dx positions apart: each of the nine taps
 * is then one product of a contiguous run of positions with that tap's [co, ci] matrix,
 * whatever the weight's type. The zero positions cost 1 / (w + 1) more arithmetic. Small maps
 * (regions) go several to a band, a zero row between them. */
#include "conv_winograd.h"

#include <assert.h>
#include <string.h>

/* Positions of one band: enough for a weight that is read once per band to be worth it, few
 * enough for a band of 1024 channels to stay in a last-level cache. */
enum { BAND_POSITIONS = 1024 };

typedef struct conv_job {
  const gm_conv_args *a;
  const gm_row_kernels *k;
  size_t h, w, ci, co;
  size_t first, rows; /* band: output rows, counted over all maps with their zero rows */
  float *in, *out;    /* band, see fill_task and store_task */
} conv_job;

/* Rows are counted with one zero row after each map: row r is row r % (h + 1) of map
 * r / (h + 1). NULL for a zero row. r + 1 so that the row before the first can be asked for. */
static const float *input_row(const conv_job *job, size_t r_plus_1) {
  if (r_plus_1 == 0) return NULL;
  size_t map = (r_plus_1 - 1) / (job->h + 1), row = (r_plus_1 - 1) % (job->h + 1);
  return row == job->h ? NULL : job->a->x + (map * job->h + row) * job->w * job->ci;
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

/* out: [rows][w + 1][co]; the last position of each row and the zero rows have no meaning. */
static void store_task(void *arg, size_t row, size_t worker) {
  (void)worker;
  const conv_job *job = arg;
  size_t r = job->first + row, map = r / (job->h + 1);
  if (r % (job->h + 1) == job->h) return;
  size_t floats = job->w * job->co;
  const float *from = job->out + row * (job->w + 1) * job->co;
  float *to = job->a->y + (map * job->h + r % (job->h + 1)) * floats;
  if (job->a->accumulate)
    job->k->add(to, to, from, floats);
  else
    memcpy(to, from, floats * sizeof *to);
  for (size_t i = 0; job->a->relu && i < floats; i++) to[i] = to[i] < 0 ? 0 : to[i];
}

static gm_status convolve_band(gm_compute *c, conv_job *job) {
  assert(job->rows > 0);
  size_t pitch = job->w + 1, positions = job->rows * pitch - 1;
  gm_pool_run(c->pool, fill_task, job, job->rows + 2);
  for (size_t tap = 0; tap < 9; tap++) {
    gm_tensor w = gm_tensor_slice(job->a->weight, tap * job->co, job->co);
    gm_linear_out out = {.w = &w,
                         .bias = tap == 0 ? job->a->bias : NULL,
                         .accumulate = tap > 0,
                         .y = job->out,
                         .ldy = job->co};
    const float *x = job->in + (tap / 3 * pitch + tap % 3) * job->ci;
    GM_TRY(gm_linear(c, x, job->ci, positions, &out, 1));
  }
  gm_pool_run(c->pool, store_task, job, job->rows);
  return GM_OK;
}

static gm_status convolve_by_taps(gm_compute *c, const gm_conv_args *args) {
  conv_job job = {.a = args,
                  .k = &c->kernels->rows,
                  .h = args->h,
                  .w = args->w,
                  .ci = args->weight->shape[3],
                  .co = args->weight->shape[2]};
  size_t pitch = args->w + 1, all_rows = args->b * (args->h + 1) - 1;
  size_t bands = all_rows * pitch / BAND_POSITIONS + 1, band = (all_rows + bands - 1) / bands;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  size_t in_floats = ((band + 2) * pitch + 1) * job.ci;
  job.in = gm_scratch_f32(c, in_floats, "a band of a convolution's input");
  job.out = gm_scratch_f32(c, band * pitch * job.co, "a band of a convolution's output");
  gm_status status = job.in && job.out ? GM_OK : GM_ERR_MEMORY;
  if (job.in) memset(job.in, 0, job.ci * sizeof *job.in);
  for (job.first = 0; job.first < all_rows && status == GM_OK; job.first += band) {
    job.rows = all_rows - job.first < band ? all_rows - job.first : band;
    status = convolve_band(c, &job);
  }
  gm_arena_restore(&c->arena, mark);
  return status;
}

gm_status gm_conv3x3(gm_compute *c, const gm_conv_args *args) {
  const gm_tensor *w = args->weight;
  assert(w->n_dims == 4 && w->shape[0] == 3 && w->shape[1] == 3);
  assert(!w->pair);
  (void)w;
  if (args->b == 0 || args->h == 0 || args->w == 0) return GM_OK;
  return gm_conv_winograd_fits(args) ? gm_conv_winograd(c, args) : convolve_by_taps(c, args);
}
