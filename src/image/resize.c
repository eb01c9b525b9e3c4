/* resize.c - see resize.h. An axis is a table of taps: each output pixel's first source pixel
 * and integer weights. The picture is computed in bands of output rows. The horizontal pass
 * writes the source rows that a band needs to scratch; from there the vertical pass writes to
 * dst.
 *
 * Both passes are one inner loop, blend_rows: out[i] = sum over k of weight[k] * rows[k][i].
 * For the horizontal pass, STRIP source rows are transposed so that a pixel column of the strip
 * is one contiguous row of STRIP * 3 bytes. */
#include "resize.h"

#include "checked.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  WEIGHT_BITS = 22,   /* of fraction */
  STRIP = 16,         /* source rows that the horizontal pass handles at once */
  COLUMN = STRIP * 3, /* bytes of one pixel column of a strip */
  BAND = 64,          /* output rows of one task */
  LANES = COLUMN,     /* bytes that blend_rows keeps sums of at once */
  MAX_SIDE = 1 << 20,
};

typedef struct axis {
  size_t n;         /* output pixels: those of the view */
  size_t taps;      /* weights per output pixel, some unused */
  size_t *first;    /* [n] first source pixel, from the crop's edge */
  size_t *count;    /* [n] source pixels, >= 1 */
  int32_t *weights; /* [n][taps] */
  bool identity;    /* the pass is skipped: output i is source first[i] */
} axis;

typedef struct job {
  const gm_resize *r;
  axis x, y;
  const uint8_t *crop;     /* the crop's upper left corner in src */
  size_t src_row, dst_row; /* bytes from one row to the next */
  uint8_t *dst;
  uint8_t *scratch; /* per worker: a transposed strip, then a band's source rows */
  size_t transposed_bytes, scratch_bytes;
} job;

gm_resize gm_resize_whole(const uint8_t *src, size_t src_width, size_t src_height, size_t width,
                          size_t height) {
  return (gm_resize){.src = src,
                     .src_width = src_width,
                     .src_height = src_height,
                     .crop_width = src_width,
                     .crop_height = src_height,
                     .width = width,
                     .height = height,
                     .view_width = width,
                     .view_height = height};
}

/* Keys' cubic with a = -0.5, in Horner form: its roundings are part of the result. */
static double cubic(double x) {
  const double a = -0.5;
  x = fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

static void axis_free(axis *a) {
  free(a->first);
  free(a->count);
  free(a->weights);
}

/* One output pixel of an axis: real weights in `real`, then rounded, half away from zero. */
static void axis_taps(axis *a, size_t i, double *real, size_t in, double scale, size_t out) {
  double widen = scale > 1.0 ? scale : 1.0;
  double support = 2.0 * widen, narrow = 1.0 / widen;
  double centre = ((double)out + 0.5) * scale;
  double low = centre - support + 0.5, high = centre + support + 0.5;
  size_t first = low > 0.0 ? (size_t)low : 0;
  size_t end = high < (double)in ? (size_t)high : in;
  assert(end > first && end - first <= a->taps);
  size_t count = end - first;
  double sum = 0.0;
  for (size_t k = 0; k < count; k++) {
    real[k] = cubic(((double)(k + first) - centre + 0.5) * narrow);
    sum += real[k];
  }
  int32_t *weights = a->weights + i * a->taps;
  for (size_t k = 0; k < count; k++) {
    double w = (sum != 0.0 ? real[k] / sum : real[k]) * (double)(1 << WEIGHT_BITS);
    weights[k] = (int32_t)(w < 0.0 ? w - 0.5 : w + 0.5);
  }
  a->first[i] = first;
  a->count[i] = count;
}

/* Outputs [view, view + n) of `in` source pixels resized to `out`. */
static gm_status axis_init(axis *a, size_t in, size_t out, size_t view, size_t n,
                           gm_error *err) {
  double scale = (double)in / (double)out;
  a->n = n;
  a->identity = in == out;
  a->taps = a->identity ? 1 : (size_t)ceil(2.0 * (scale > 1.0 ? scale : 1.0)) * 2 + 1;
  size_t bytes;
  if (!gm_mul_size(n, a->taps, &bytes) || !gm_mul_size(bytes, sizeof *a->weights, &bytes))
    return gm_fail_memory(err, "resizing a picture", SIZE_MAX);
  a->first = malloc(n * sizeof *a->first);
  a->count = malloc(n * sizeof *a->count);
  a->weights = malloc(bytes);
  double *real = malloc(a->taps * sizeof *real);
  gm_status status = GM_OK;
  if (!a->first || !a->count || !a->weights || !real) {
    status = gm_fail_memory(err, "resizing a picture", bytes);
  } else {
    for (size_t i = 0; i < n; i++) {
      if (a->identity)
        a->first[i] = view + i, a->count[i] = 1;
      else
        axis_taps(a, i, real, in, scale, view + i);
    }
  }
  free(real);
  return status;
}

/* The source pixels [*first, *end) that outputs [from, to) of the axis read. Taps only move
 * forwards. */
static void axis_extent(const axis *a, size_t from, size_t to, size_t *first, size_t *end) {
  assert(from < to && to <= a->n);
  *first = a->first[from];
  *end = a->first[to - 1] + a->count[to - 1];
}

static uint8_t round_to_byte(int32_t sum) {
  int32_t v = sum >> WEIGHT_BITS; /* floor: gcc and clang shift in the sign */
  return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* out[i] = clip((sum over k < taps of weights[k] * rows[k * stride + i] + half) >> 22), i < n.
 * |sum| < 2^31: the weights' magnitudes add up to less than 1.5 * 2^22. */
static void blend_rows(uint8_t *restrict out, const uint8_t *restrict rows, size_t stride,
                       const int32_t *restrict weights, size_t taps, size_t n) {
  const int32_t half = 1 << (WEIGHT_BITS - 1);
  for (size_t begin = 0; n >= LANES && begin < n; begin += LANES) {
    size_t i =
        begin + LANES <= n ? begin : n - LANES; /* the last block overlaps the one before */
    int32_t sum[LANES];
    for (size_t l = 0; l < LANES; l++) sum[l] = half;
    for (size_t k = 0; k < taps; k++) {
      const uint8_t *row = rows + k * stride + i;
      for (size_t l = 0; l < LANES; l++) sum[l] += weights[k] * row[l];
    }
    for (size_t l = 0; l < LANES; l++) out[i + l] = round_to_byte(sum[l]);
  }
  for (size_t i = 0; n < LANES && i < n; i++) {
    int32_t sum = half;
    for (size_t k = 0; k < taps; k++) sum += weights[k] * rows[k * stride + i];
    out[i] = round_to_byte(sum);
  }
}

/* Source rows [row, row + n) of the crop (n <= STRIP) through the horizontal pass into out. */
static void blend_strip(const job *j, uint8_t *out, size_t row, size_t n, uint8_t *transposed) {
  size_t first, end;
  assert(n >= 1 && n <= STRIP && row + n <= j->r->crop_height);
  axis_extent(&j->x, 0, j->x.n, &first, &end);
  for (size_t r = 0; r < n; r++) {
    const uint8_t *from = j->crop + (row + r) * j->src_row + first * 3;
    uint8_t *to = transposed + r * 3;
    for (size_t x = first; x < end; x++, from += 3, to += COLUMN) memcpy(to, from, 3);
  }
  for (size_t x = 0; x < j->x.n; x++) {
    uint8_t column[COLUMN];
    blend_rows(column, transposed + (j->x.first[x] - first) * COLUMN, COLUMN,
               j->x.weights + x * j->x.taps, j->x.count[x], n * 3);
    for (size_t r = 0; r < n; r++) memcpy(out + r * j->dst_row + x * 3, column + r * 3, 3);
  }
}

static void resize_band(void *arg, size_t task, size_t worker) {
  const job *j = arg;
  size_t from = task * BAND, to = from + BAND < j->y.n ? from + BAND : j->y.n;
  size_t first, end;
  axis_extent(&j->y, from, to, &first, &end);
  uint8_t *dst = j->dst + from * j->dst_row;
  uint8_t *transposed = j->scratch + worker * j->scratch_bytes;
  const uint8_t *rows = j->crop + first * j->src_row + j->x.first[0] * 3;
  size_t stride = j->src_row;
  if (!j->x.identity) {
    uint8_t *blended = j->y.identity ? dst : transposed + j->transposed_bytes;
    for (size_t row = first; row < end; row += STRIP)
      blend_strip(j, blended + (row - first) * j->dst_row, row,
                  end - row < STRIP ? end - row : STRIP, transposed);
    if (j->y.identity) return;
    rows = blended;
    stride = j->dst_row;
  }
  for (size_t y = from; y < to; y++, dst += j->dst_row) {
    const uint8_t *top = rows + (j->y.first[y] - first) * stride;
    if (j->y.identity)
      memcpy(dst, top, j->dst_row);
    else
      blend_rows(dst, top, stride, j->y.weights + y * j->y.taps, j->y.count[y], j->dst_row);
  }
}

/* Bytes that one worker needs: the transposed strip and the largest band's source rows. */
static void scratch_size(job *j) {
  if (j->x.identity) return;
  size_t first, end, rows = 0;
  axis_extent(&j->x, 0, j->x.n, &first, &end);
  j->transposed_bytes = (end - first) * COLUMN;
  for (size_t from = 0; from < j->y.n && !j->y.identity; from += BAND) {
    axis_extent(&j->y, from, from + BAND < j->y.n ? from + BAND : j->y.n, &first, &end);
    if (end - first > rows) rows = end - first;
  }
  j->scratch_bytes = j->transposed_bytes + rows * j->dst_row;
}

gm_status gm_resize_bicubic(uint8_t *dst, const gm_resize *r, gm_pool *pool, gm_error *err) {
  assert(r->crop_width >= 1 && r->crop_width <= MAX_SIDE && r->view_width >= 1 &&
         r->view_width <= MAX_SIDE);
  assert(r->crop_height >= 1 && r->crop_height <= MAX_SIDE && r->view_height >= 1 &&
         r->view_height <= MAX_SIDE);
  assert(r->crop_x + r->crop_width <= r->src_width);
  assert(r->crop_y + r->crop_height <= r->src_height);
  assert(r->view_x + r->view_width <= r->width && r->view_y + r->view_height <= r->height);
  job j = {.r = r,
           .crop = r->src + (r->crop_y * r->src_width + r->crop_x) * 3,
           .src_row = r->src_width * 3,
           .dst_row = r->view_width * 3,
           .dst = dst};
  gm_status status = axis_init(&j.x, r->crop_width, r->width, r->view_x, r->view_width, err);
  if (status == GM_OK)
    status = axis_init(&j.y, r->crop_height, r->height, r->view_y, r->view_height, err);
  if (status == GM_OK) {
    scratch_size(&j);
    size_t bytes = j.scratch_bytes * gm_pool_threads(pool);
    j.scratch = malloc(bytes ? bytes : 1);
    if (j.scratch)
      gm_pool_run(pool, resize_band, &j, (j.y.n + BAND - 1) / BAND);
    else
      status = gm_fail_memory(err, "resizing a picture", bytes);
  }
  free(j.scratch);
  axis_free(&j.x);
  axis_free(&j.y);
  return status;
}
