/* conv_winograd.c - 3x3 convolution by Winograd's F(4x4, 3x3): a quarter of the
 * multiplications, for rounding errors of about 1e-6 of the largest output in f32, and of 0.4
 * to 1.1 % of the outputs' deviation where products are rounded to bf16
 * (kernels/winograd_points.h says which constants are used and why).
 *
 *   list       4 x 4 squares of outputs whose 6 x 6 inputs are not all 0 (RoIAlign leaves whole
 *              squares empty); the outputs of the others are the bias alone
 *   per band of squares:
 *     gather   inputs -> v[group of mr squares][36][ci, mr], packed for the product
 *     multiply per panel of nr output channels: weights -> u[36][ci, nr], any type; per group
 *              36 products, which stay in the second-level cache, -> outputs
 *
 * The 36-fold weights never exist as a whole: a thread makes those of its panel when it needs
 * them. A value depends neither on bands and panels nor on the number of threads. */
#include "conv_winograd.h"

#include "sizes.h"

#include <assert.h>
#include <string.h>

enum {
  POINTS = 36,
  BAND_BYTES = 80 << 20, /* of transformed inputs: 128 x 128 x 1024 in bf16 */
  GATHER_COST = 256,     /* multiply-adds that take as long as a number of v */
  CHANNELS = 64          /* transformed at once */
};

typedef struct winograd_job {
  const gm_conv_args *a;
  const gm_row_kernels *k;
  const gm_matmul *mm;
  size_t down, across; /* squares of a map */
  size_t ci, co;
  unsigned char *filled; /* per square: it has an input that is not 0 */
  size_t *squares;       /* the filled ones */
  size_t first, n;       /* of `squares`: the band */
  const float *zeros;    /* as many as ci or co */
  unsigned char *v;
  size_t v_bytes; /* of one group and point */
  size_t u_bytes; /* of one panel and point */
  size_t parts;   /* tasks that share a panel */
  unsigned char *scratch;
  size_t scratch_bytes; /* per worker */
} winograd_job;

/* ---- squares */

/* The inputs of a square, row by row; positions outside the map are zeros. */
static void inputs_of(const winograd_job *job, size_t square, const float *x[POINTS]) {
  const gm_conv_args *a = job->a;
  size_t map = square / (job->down * job->across);
  size_t top = square / job->across % job->down * 4, left = square % job->across * 4;
  for (size_t p = 0; p < POINTS; p++) {
    size_t row = top + p / 6, column = left + p % 6; /* one more than in the map */
    bool inside = row >= 1 && row <= a->h && column >= 1 && column <= a->w;
    size_t at = inside ? ((map * a->h + row - 1) * a->w + column - 1) * job->ci : 0;
    x[p] = inside ? a->x + at : job->zeros;
  }
}

/* The outputs of a square from channel `first` on; NULL where they are outside the map. */
static void outputs_of(const winograd_job *job, size_t square, size_t first, float *y[16]) {
  const gm_conv_args *a = job->a;
  size_t map = square / (job->down * job->across);
  size_t top = square / job->across % job->down * 4, left = square % job->across * 4;
  for (size_t p = 0; p < 16; p++) {
    size_t row = top + p / 4, column = left + p % 4;
    bool inside = row < a->h && column < a->w;
    size_t at = inside ? ((map * a->h + row) * a->w + column) * job->co + first : 0;
    y[p] = inside ? a->y + at : NULL;
  }
}

static bool all_zero(const float *x, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (x[i] != 0) return false;
  return true;
}

/* Marks a square, and finishes it if it is empty. */
static void mark_task(void *arg, size_t square, size_t worker) {
  (void)worker;
  const winograd_job *job = arg;
  const float *x[POINTS];
  float *y[16];
  inputs_of(job, square, x);
  bool empty = true;
  for (size_t p = 0; p < POINTS && empty; p++) empty = all_zero(x[p], job->ci);
  job->filled[square] = !empty;
  if (!empty) return;
  outputs_of(job, square, 0, y);
  job->k->winograd_output(y, job->zeros, 0, job->a->bias, job->a->accumulate, job->a->relu,
                          job->co);
}

/* ---- gather */

static unsigned char *v_at(const winograd_job *job, size_t group, size_t point) {
  return job->v + (group * POINTS + point) * job->v_bytes;
}

static void gather_task(void *arg, size_t group, size_t worker) {
  const winograd_job *job = arg;
  const gm_matmul *mm = job->mm;
  size_t mr = mm->mr, squares = gm_min_size(mr, job->n - group * mr), step = mr * CHANNELS;
  float *buffer = (float *)(void *)(job->scratch + worker * job->scratch_bytes);
  const float *x[POINTS];
  for (size_t at = 0; at < job->ci; at += CHANNELS) {
    size_t n = gm_min_size(CHANNELS, job->ci - at);
    for (size_t s = 0; s < squares; s++) {
      inputs_of(job, job->squares[job->first + group * mr + s], x);
      for (size_t p = 0; p < POINTS; p++) x[p] += x[p] == job->zeros ? 0 : at;
      job->k->winograd_input(buffer + s * CHANNELS, step, x, n);
    }
    for (size_t p = 0; p < POINTS; p++)
      mm->pack_x(v_at(job, group, p) + at / mm->chunk * mm->x_chunk_bytes * mr,
                 buffer + p * step, CHANNELS, squares, mr, n);
  }
}

/* ---- multiply */

/* Elements [at, at + n) of a row of the weights: where they lie, or converted to `copy`. */
static const float *weight_row(const gm_tensor *w, size_t row, size_t at, size_t n,
                               float *copy) {
  const gm_type_traits *traits = gm_type_traits_of(w->type);
  const unsigned char *bytes = (const unsigned char *)w->data + row * w->row_bytes;
  if (w->type == GM_TYPE_F32) return (const float *)(const void *)bytes + at;
  traits->to_float(copy, bytes + at / traits->block * traits->block_bytes, n);
  return copy;
}

/* u[36][ci, nr] of the output channels first .. first + n - 1. */
static void make_panel(const winograd_job *job, unsigned char *u, float *buffer, size_t first,
                       size_t n) {
  const gm_matmul *mm = job->mm;
  const gm_tensor *w = job->a->weight;
  size_t block = gm_type_traits_of(w->type)->block;
  size_t span = block > CHANNELS ? block : CHANNELS, step = mm->nr * span;
  float *copies = buffer + POINTS * step;
  for (size_t at = 0; at < job->ci; at += span) {
    size_t columns = gm_min_size(span, job->ci - at);
    for (size_t o = 0; o < n; o++) {
      const float *taps[9];
      for (size_t t = 0; t < 9; t++)
        taps[t] = weight_row(w, t * job->co + first + o, at, columns, copies + t * span);
      job->k->winograd_weight(buffer + o * span, step, taps, columns);
    }
    for (size_t p = 0; p < POINTS; p++)
      mm->pack_w(u + p * job->u_bytes + at / mm->chunk * mm->w_chunk_bytes * mm->nr,
                 buffer + p * step, span * sizeof *buffer, n, columns);
  }
}

static void multiply_task(void *arg, size_t task, size_t worker) {
  const winograd_job *job = arg;
  const gm_matmul *mm = job->mm;
  size_t groups = gm_ceil_div(job->n, mm->mr), part = task % job->parts;
  size_t column = task / job->parts * mm->nr, columns = gm_min_size(mm->nr, job->co - column);
  size_t sums = mm->mr * mm->nr, end = groups * (part + 1) / job->parts;
  unsigned char *u = job->scratch + worker * job->scratch_bytes;
  float *acc = (float *)(void *)(u + POINTS * job->u_bytes);
  make_panel(job, u, acc, column, columns);
  gm_matmul_begin(mm);
  for (size_t g = groups * part / job->parts; g < end; g++) {
    for (size_t p = 0; p < POINTS; p++)
      mm->tile(acc + p * sums, v_at(job, g, p), u + p * job->u_bytes, job->ci, true);
    size_t squares = gm_min_size(mm->mr, job->n - g * mm->mr);
    for (size_t s = 0; s < squares; s++) {
      float *y[16];
      outputs_of(job, job->squares[job->first + g * mm->mr + s], column, y);
      job->k->winograd_output(y, acc + s * mm->nr, sums,
                              job->a->bias ? job->a->bias + column : NULL, job->a->accumulate,
                              job->a->relu, columns);
    }
  }
  gm_matmul_end(mm);
}

/* ---- all together */

/* Bytes that a worker needs: a panel with a group's products, or with what makes it, or a
 * gather. */
static size_t worker_bytes(const winograd_job *job) {
  const gm_matmul *mm = job->mm;
  size_t block = gm_type_traits_of(job->a->weight->type)->block;
  size_t span = block > CHANNELS ? block : CHANNELS;
  size_t products = POINTS * mm->mr * mm->nr;
  size_t making = (POINTS * mm->nr + 9) * span, gather = POINTS * mm->mr * CHANNELS;
  size_t floats = products > making ? products : making;
  size_t bytes = POINTS * job->u_bytes + floats * sizeof(float);
  if (bytes < gather * sizeof(float)) bytes = gather * sizeof(float);
  return gm_ceil_div(bytes, 64) * 64;
}

static gm_status take_scratch(gm_compute *c, winograd_job *job, size_t squares) {
  size_t most = job->ci > job->co ? job->ci : job->co;
  job->filled = gm_scratch(c, squares, "a convolution");
  job->squares = gm_scratch(c, squares * sizeof *job->squares, "a convolution");
  float *zeros = gm_scratch_f32(c, most, "a convolution");
  job->scratch_bytes = worker_bytes(job);
  job->scratch = gm_scratch(c, gm_pool_threads(c->pool) * job->scratch_bytes, "a convolution");
  if (!job->filled || !job->squares || !zeros || !job->scratch) return GM_ERR_MEMORY;
  memset(zeros, 0, most * sizeof *zeros);
  job->zeros = zeros;
  return GM_OK;
}

static gm_status run_bands(gm_compute *c, winograd_job *job, size_t filled) {
  size_t mr = job->mm->mr, groups = gm_ceil_div(filled, mr);
  size_t group_bytes = POINTS * job->v_bytes, most = BAND_BYTES / group_bytes;
  size_t bands = most ? gm_ceil_div(groups, most) : groups, band = gm_ceil_div(groups, bands);
  job->v = gm_scratch(c, band * group_bytes, "the transformed input of a convolution");
  if (!job->v) return GM_ERR_MEMORY;
  size_t panels = gm_ceil_div(job->co, job->mm->nr), threads = gm_pool_threads(c->pool);
  job->parts = gm_min_size(gm_ceil_div(2 * threads, panels), band);
  assert(band > 0 && job->parts > 0);
  for (job->first = 0; job->first < filled; job->first += band * mr) {
    job->n = gm_min_size(band * mr, filled - job->first);
    GM_TRY(gm_run_in_pieces(c, gather_task, job, gm_ceil_div(job->n, mr), 1,
                            (double)GATHER_COST * POINTS * (double)(job->n * job->ci)));
    GM_TRY(gm_poll(c));
    GM_TRY(gm_run_in_pieces(c, multiply_task, job, panels * job->parts, 1,
                            (double)POINTS * (double)(job->n * job->ci * job->co)));
  }
  return GM_OK;
}

bool gm_conv_winograd_fits(const gm_conv_args *args) {
  size_t ci = args->weight->shape[3], co = args->weight->shape[2];
  return ci >= 32 && co >= 32 && args->h >= 4 && args->w >= 4;
}

gm_status gm_conv_winograd(gm_compute *c, const gm_conv_args *args) {
  bool rounded = c->kernels->rounds[args->weight->type];
  const gm_matmul *mm = (rounded ? c->kernels->rounded : c->kernels->matmul)[GM_TYPE_F32];
  winograd_job job = {.a = args,
                      .k = &c->kernels->rows,
                      .mm = mm,
                      .down = gm_ceil_div(args->h, 4),
                      .across = gm_ceil_div(args->w, 4),
                      .ci = args->weight->shape[3],
                      .co = args->weight->shape[2]};
  assert(CHANNELS % mm->chunk == 0);
  size_t chunks = gm_ceil_div(job.ci, mm->chunk), squares = args->b * job.down * job.across;
  job.v_bytes = gm_ceil_div(mm->mr * mm->x_chunk_bytes * chunks, 64) * 64;
  job.u_bytes = gm_ceil_div(mm->nr * mm->w_chunk_bytes * chunks, 64) * 64;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = take_scratch(c, &job, squares);
  if (status == GM_OK) {
    gm_pool_run(c->pool, mark_task, &job, squares);
    size_t filled = 0;
    for (size_t i = 0; i < squares; i++)
      if (job.filled[i]) job.squares[filled++] = i;
    if (filled > 0) status = run_bands(c, &job, filled);
  }
  gm_arena_restore(&c->arena, mark);
  return status;
}
