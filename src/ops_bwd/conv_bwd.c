/* conv_bwd.c - ops_bwd.h: 3x3 convolution.
 *
 * Maps that are large enough go through Winograd's algorithm, as in inference, in f32: the
 * gradient by x is a convolution too, of dy, by the taps in the opposite order and each tap's
 * matrix turned; conv_weight.h has that by the weight. The others are nine products, one a tap:
 * maps are copied with one zero position after each row and a zero row after each map, so that
 * the neighbour of position p at (dy, dx) is always position p + dy * (w + 1) + dx, and a tap
 * reads a run of positions. */
#include "conv_weight.h"
#include "conv_winograd.h"
#include "ops_bwd.h"
#include "product.h"
#include "row_sums.h"
#include "sizes.h"

#include <assert.h>
#include <string.h>

/* Maps with their zeros: position p is at `at` + p * channels; `margin` zero positions lie
 * before the first and after the last. */
typedef struct padded {
  size_t b, h, w, channels;
  size_t pitch, positions, margin;
  float *at;
} padded;

typedef struct copy_job {
  const gm_kernels *kernels;
  const padded *p;
  const float *from;
  float *to;
  bool add;
} copy_job;

static padded padded_of(size_t b, size_t h, size_t w, size_t channels) {
  padded p = {b, h, w, channels, w + 1, b * (h + 1) * (w + 1), w + 2, NULL};
  return p;
}

static bool padded_alloc(gm_compute *c, padded *p) {
  size_t floats = (p->positions + 2 * p->margin) * p->channels;
  float *all = gm_scratch_f32(c, floats, "a convolution's padded maps");
  if (all) p->at = all + p->margin * p->channels;
  return all != NULL;
}

static float *padded_row(const padded *p, size_t row) {
  return p->at + row * p->pitch * p->channels;
}

/* Rows are counted over all maps with their zero rows. */
static void fill_task(void *arg, size_t row, size_t worker) {
  const copy_job *job = arg;
  const padded *p = job->p;
  (void)worker;
  float *to = padded_row(p, row);
  size_t map = row / (p->h + 1), y = row % (p->h + 1), floats = p->w * p->channels;
  if (y < p->h)
    memcpy(to, job->from + (map * p->h + y) * floats, floats * sizeof *to);
  else
    memset(to, 0, floats * sizeof *to);
  memset(to + floats, 0, p->channels * sizeof *to);
}

static void fill(gm_compute *c, const padded *p, const float *from) {
  copy_job job = {.p = p, .from = from};
  size_t floats = p->margin * p->channels;
  memset(p->at - floats, 0, floats * sizeof(float));
  memset(p->at + p->positions * p->channels, 0, floats * sizeof(float));
  gm_pool_run(c->pool, fill_task, &job, p->b * (p->h + 1));
}

static void take_task(void *arg, size_t row, size_t worker) {
  const copy_job *job = arg;
  const padded *p = job->p;
  (void)worker;
  size_t map = row / p->h, floats = p->w * p->channels;
  const float *from = padded_row(p, row + map);
  float *to = job->to + row * floats;
  if (job->add)
    job->kernels->rows.add(to, to, from, floats);
  else
    memcpy(to, from, floats * sizeof *to);
}

static void take(gm_compute *c, const padded *p, float *to, bool add) {
  copy_job job = {.kernels = c->kernels, .p = p, .to = to, .add = add};
  gm_pool_run(c->pool, take_task, &job, p->b * p->h);
}

/* Where a tap reads, relative to the position that it writes. */
static ptrdiff_t shift_of(const padded *p, size_t tap) {
  return ((ptrdiff_t)(tap / 3) - 1) * (ptrdiff_t)p->pitch + (ptrdiff_t)(tap % 3) - 1;
}

/* out = the sum over taps of `in` shifted by the tap . the tap's matrix. `back`: shifted the
 * other way, by the matrix turned. */
static gm_status run_taps(const gm_training *t, const gm_tensor *weight, const float *bias,
                          const padded *in, const padded *out, bool back) {
  size_t co = weight->shape[2];
  for (size_t tap = 0; tap < 9; tap++) {
    gm_tensor w = gm_tensor_slice(weight, tap * co, co);
    ptrdiff_t shift = back ? -shift_of(in, tap) : shift_of(in, tap);
    gm_product p = {.m = out->positions,
                    .n = out->channels,
                    .k = in->channels,
                    .a = gm_rows_of(in->at + shift * (ptrdiff_t)in->channels, in->channels),
                    .b = gm_factor_of(&w, back),
                    .bias = tap == 0 ? bias : NULL,
                    .y = out->at,
                    .ldy = out->channels,
                    .add = tap > 0};
    GM_TRY(gm_product_run(t, &p));
  }
  return GM_OK;
}

/* b maps of h x w positions, padded, as the weight reads and writes them. */
static void pads_of(const gm_tensor *weight, size_t b, size_t h, size_t w, padded *in,
                    padded *out) {
  assert(weight->n_dims == 4 && weight->shape[0] == 3 && weight->shape[1] == 3);
  *in = padded_of(b, h, w, weight->shape[3]);
  *out = padded_of(b, h, w, weight->shape[2]);
}

/* ---- Winograd */

enum { TURN_ROWS = 32 }; /* of a tap's matrix, in a task */

typedef struct copy_weight_job {
  const gm_kernels *kernels;
  const gm_tensor *weight;
  float *wide;       /* the weights in f32, where they are not */
  const float *from; /* the weights in f32 */
  float *turned;     /* [3, 3, ci, co], taps in the opposite order */
} copy_weight_job;

static void widen_task(void *arg, size_t row, size_t worker) {
  const copy_weight_job *job = arg;
  const gm_tensor *w = job->weight;
  (void)worker;
  gm_type_traits_of(w->type)->to_float(job->wide + row * w->shape[3],
                                       (const char *)w->data + row * w->row_bytes, w->shape[3]);
}

static void turn_task(void *arg, size_t task, size_t worker) {
  const copy_weight_job *job = arg;
  size_t co = job->weight->shape[2], ci = job->weight->shape[3];
  size_t blocks = gm_ceil_div(co, TURN_ROWS), tap = task / blocks;
  size_t row = task % blocks * TURN_ROWS, rows = gm_min_size(TURN_ROWS, co - row);
  (void)worker;
  job->kernels->rows.transpose(job->turned + (8 - tap) * ci * co + row, co,
                               job->from + (tap * co + row) * ci, ci, rows, ci);
}

static gm_tensor f32_weight(const float *data, size_t co, size_t ci) {
  return (gm_tensor){.type = GM_TYPE_F32,
                     .n_dims = 4,
                     .shape = {3, 3, co, ci},
                     .row_bytes = ci * sizeof *data,
                     .data = data};
}

/* *out = the weight in f32, as it is or for the gradient by x. */
static gm_status winograd_weight(gm_compute *c, const gm_tensor *weight, bool back,
                                 gm_tensor *out) {
  size_t co = weight->shape[2], ci = weight->shape[3], floats = 9 * co * ci;
  const float *from = weight->data;
  copy_weight_job job = {.kernels = c->kernels, .weight = weight};
  if (weight->type != GM_TYPE_F32) {
    job.wide = gm_scratch_f32(c, floats, "a convolution's weights");
    if (!job.wide) return GM_ERR_MEMORY;
    gm_pool_run(c->pool, widen_task, &job, 9 * co);
    from = job.wide;
  }
  *out = f32_weight(from, co, ci);
  if (!back) return GM_OK;
  job.from = from;
  job.turned = gm_scratch_f32(c, floats, "a convolution's weights");
  if (!job.turned) return GM_ERR_MEMORY;
  gm_pool_run(c->pool, turn_task, &job, 9 * gm_ceil_div(co, TURN_ROWS));
  *out = f32_weight(job.turned, ci, co);
  return GM_OK;
}

/* Whether y = x * weight, or by the weight turned, is a case for Winograd. Tables of kernels
 * that round weights in f32 are not, unless they round to bf16 and the caller wants it. */
static bool winograd_fits(const gm_training *t, const gm_tensor *weight, size_t h, size_t w) {
  const gm_kernels *k = t->c->kernels;
  const gm_conv_args args = {.weight = weight, .h = h, .w = w};
  bool exact = !k->rounds[GM_TYPE_F32];
  return gm_conv_winograd_fits(&args) &&
         (exact || (t->bf16 && k->rounded[GM_TYPE_F32]->form == GM_TILE_AS_ROWS));
}

static gm_status run_winograd(gm_compute *c, const gm_tensor *weight, bool back,
                              gm_conv_args *args) {
  gm_tensor w;
  GM_TRY(winograd_weight(c, weight, back, &w));
  args->weight = &w;
  return gm_conv_winograd(c, args);
}

/* ---- both */

static gm_status conv_train(const gm_training *t, const gm_tensor *weight, const float *bias,
                            const float *x, padded *in, padded *out, float *y) {
  if (winograd_fits(t, weight, in->h, in->w)) {
    gm_conv_args args = {.x = x, .b = in->b, .h = in->h, .w = in->w, .bias = bias, .y = y};
    return run_winograd(t->c, weight, false, &args);
  }
  if (!padded_alloc(t->c, in) || !padded_alloc(t->c, out)) return GM_ERR_MEMORY;
  fill(t->c, in, x);
  GM_TRY(run_taps(t, weight, bias, in, out, false));
  take(t->c, out, y, false);
  return GM_OK;
}

gm_status gm_conv3x3_train(const gm_training *t, const gm_tensor *weight, const float *bias,
                           const float *x, size_t b, size_t h, size_t w, float *y) {
  if (b == 0 || h == 0 || w == 0) return GM_OK;
  padded in, out;
  pads_of(weight, b, h, w, &in, &out);
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = conv_train(t, weight, bias, x, &in, &out, y);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

/* gradient[tap, co, ci] += the sum over positions of dy . x shifted by the tap. The zeros
 * between dy's rows leave out what lies outside of the maps. */
static gm_status add_weight_gradient(const gm_training *t, float *gradient, const padded *in,
                                     const padded *out) {
  for (size_t tap = 0; tap < 9; tap++) {
    const float *x = in->at + shift_of(in, tap) * (ptrdiff_t)in->channels;
    gm_product p = {.m = out->channels,
                    .n = in->channels,
                    .k = out->positions,
                    .a = gm_turned_rows_of(out->at, out->channels),
                    .b = gm_turned_rows_of(x, in->channels),
                    .y = gradient + tap * out->channels * in->channels,
                    .ldy = in->channels,
                    .add = true};
    GM_TRY(gm_product_run(t, &p));
  }
  return GM_OK;
}

static gm_status conv_back(const gm_training *t, const gm_tensor *weight, const float *x,
                           const float *dy, padded *in, padded *out, float *dx, bool add) {
  float *gradient = gm_gradient(t, weight->data);
  bool winograd = winograd_fits(t, weight, in->h, in->w);
  if (winograd && gradient) {
    GM_TRY(gm_conv_weight_winograd(t, gradient, x, in->channels, dy, out->channels, in->b,
                                   in->h, in->w));
    gradient = NULL;
  }
  if (winograd && dx) {
    gm_arena_mark mark = gm_arena_save(&t->c->arena);
    gm_conv_args args = {
        .x = dy, .b = in->b, .h = in->h, .w = in->w, .accumulate = add, .y = dx};
    GM_TRY(run_winograd(t->c, weight, true, &args));
    gm_arena_restore(&t->c->arena, mark);
  }
  bool taps = dx && !winograd;
  if (!gradient && !taps) return GM_OK;
  if (!padded_alloc(t->c, in) || !padded_alloc(t->c, out)) return GM_ERR_MEMORY;
  fill(t->c, out, dy);
  if (gradient) {
    fill(t->c, in, x);
    GM_TRY(add_weight_gradient(t, gradient, in, out));
  }
  if (!taps) return GM_OK;
  GM_TRY(run_taps(t, weight, NULL, out, in, true));
  take(t->c, in, dx, add);
  return GM_OK;
}

gm_status gm_conv3x3_back(const gm_training *t, const gm_tensor *weight, const float *bias,
                          const float *x, const float *dy, size_t b, size_t h, size_t w,
                          float *dx, bool add) {
  if (b == 0 || h == 0 || w == 0) return GM_OK;
  padded in, out;
  pads_of(weight, b, h, w, &in, &out);
  float *of_bias = gm_gradient(t, bias);
  if (of_bias) gm_add_sum_of_rows(t, of_bias, dy, out.channels, b * h * w, out.channels);
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = conv_back(t, weight, x, dy, &in, &out, dx, add);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
