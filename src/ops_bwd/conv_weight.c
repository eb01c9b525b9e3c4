/* conv_weight.c - see conv_weight.h.
 *
 * Winograd's F(4x4, 3x3) computes a square of outputs as A^T [(G g) (B^T d)] along each axis
 * (kernels/winograd_points.h), which is linear in the weights g. So their gradient is
 * G^T [(A dy) (B^T d)], summed over the squares: 36 products over squares, which have a quarter
 * of the multiplications of nine products over positions.
 *
 *   per band of squares:
 *     gather   v[36][squares, ci] from x, d[36][squares, co] from dy
 *     multiply u[36][co, ci] += d^T v
 *   then per output channel: u -> 3 x 3 taps */
#include "conv_weight.h"
#include "product.h"
#include "sizes.h"

#include <string.h>

enum {
  POINTS = 36,
  BAND_BYTES = 160 << 20 /* of v and d */
};

typedef struct conv_weight_job {
  const gm_row_kernels *k;
  float *gradient;
  const float *x, *dy;
  size_t ci, co, h, w;
  size_t down, across; /* squares of a map */
  size_t first, n;     /* the band of squares */
  const float *zeros;  /* ci of them */
  float *v, *d, *u;
} conv_weight_job;

/* x[36] and dy[16] of a square; what lies outside of the map is zeros, or NULL in dy. */
static void square_at(const conv_weight_job *job, size_t square, const float *x[POINTS],
                      const float *dy[16]) {
  size_t map = square / (job->down * job->across) * job->h;
  size_t top = square / job->across % job->down * 4, left = square % job->across * 4;
  for (size_t p = 0; p < POINTS; p++) {
    size_t row = top + p / 6, column = left + p % 6; /* one more than in the map */
    bool inside = row >= 1 && row <= job->h && column >= 1 && column <= job->w;
    x[p] = inside ? job->x + ((map + row - 1) * job->w + column - 1) * job->ci : job->zeros;
  }
  for (size_t p = 0; p < 16; p++) {
    size_t row = top + p / 4, column = left + p % 4;
    bool inside = row < job->h && column < job->w;
    dy[p] = inside ? job->dy + ((map + row) * job->w + column) * job->co : NULL;
  }
}

static void gather_task(void *arg, size_t i, size_t worker) {
  const conv_weight_job *job = arg;
  const float *x[POINTS], *dy[16];
  (void)worker;
  square_at(job, job->first + i, x, dy);
  job->k->winograd_input(job->v + i * job->ci, job->n * job->ci, x, job->ci);
  job->k->winograd_output_back(job->d + i * job->co, job->n * job->co, dy, job->co);
}

static void taps_task(void *arg, size_t channel, size_t worker) {
  const conv_weight_job *job = arg;
  size_t taps = job->co * job->ci;
  float *to[9];
  (void)worker;
  for (size_t tap = 0; tap < 9; tap++) to[tap] = job->gradient + tap * taps + channel * job->ci;
  job->k->winograd_weight_back(to, job->u + channel * job->ci, taps, job->ci);
}

static gm_status multiply(const gm_training *t, const conv_weight_job *job) {
  for (size_t f = 0; f < POINTS; f++) {
    gm_product p = {.m = job->co,
                    .n = job->ci,
                    .k = job->n,
                    .a = gm_turned_rows_of(job->d + f * job->n * job->co, job->co),
                    .b = gm_turned_rows_of(job->v + f * job->n * job->ci, job->ci),
                    .y = job->u + f * job->co * job->ci,
                    .ldy = job->ci,
                    .add = job->first > 0};
    GM_TRY(gm_product_run(t, &p));
  }
  return GM_OK;
}

static gm_status run(const gm_training *t, conv_weight_job *job, size_t squares) {
  gm_compute *c = t->c;
  size_t square_floats = POINTS * (job->ci + job->co);
  size_t most = gm_max_size(BAND_BYTES / (square_floats * sizeof(float)), 1);
  size_t band = gm_ceil_div(squares, gm_ceil_div(squares, most));
  float *zeros = gm_scratch_f32(c, job->ci, "a convolution");
  job->v = gm_scratch_f32(c, band * POINTS * job->ci, "a convolution's gradient");
  job->d = gm_scratch_f32(c, band * POINTS * job->co, "a convolution's gradient");
  job->u = gm_scratch_f32(c, POINTS * job->co * job->ci, "a convolution's gradient");
  if (!zeros || !job->v || !job->d || !job->u) return GM_ERR_MEMORY;
  memset(zeros, 0, job->ci * sizeof *zeros);
  job->zeros = zeros;
  for (; job->first < squares; job->first += job->n) {
    job->n = gm_min_size(band, squares - job->first);
    gm_pool_run(c->pool, gather_task, job, job->n);
    GM_TRY(multiply(t, job));
    GM_TRY(gm_poll(c));
  }
  gm_pool_run(c->pool, taps_task, job, job->co);
  return GM_OK;
}

gm_status gm_conv_weight_winograd(const gm_training *t, float *gradient, const float *x,
                                  size_t ci, const float *dy, size_t co, size_t b, size_t h,
                                  size_t w) {
  gm_training exact = *t;
  exact.bf16 = false; /* rounding of transformed factors costs several times more precision */
  conv_weight_job job = {.k = &t->c->kernels->rows,
                         .gradient = gradient,
                         .x = x,
                         .dy = dy,
                         .ci = ci,
                         .co = co,
                         .h = h,
                         .w = w,
                         .down = gm_ceil_div(h, 4),
                         .across = gm_ceil_div(w, 4)};
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = run(&exact, &job, b * job.down * job.across);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
