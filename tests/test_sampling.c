/* test_sampling.c - resizing, RoIAlign and deformable sampling against double precision and by
 * hand; the border rules of RoIAlign and reversed boxes. */
#include "ops_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- resizing */

typedef struct resize_case {
  size_t ho, wo, hi, wi, channels, ld_in, ld_out;
  const float *in;
} resize_case;

static void run_resize(gm_compute *c, void *arg, float *out) {
  const resize_case *r = arg;
  gm_resize_bilinear(c, out, r->ld_out, r->ho, r->wo, r->in, r->ld_in, r->hi, r->wi,
                     r->channels);
}

/* Value of channel 0 of a map with `ld` floats per position at a point of [0, h-1] x [0, w-1].
 */
static double bilinear(const float *map, size_t h, size_t w, size_t ld, double y, double x) {
  size_t y0 = (size_t)floor(y), x0 = (size_t)floor(x);
  size_t y1 = y0 + 1 < h ? y0 + 1 : y0, x1 = x0 + 1 < w ? x0 + 1 : x0;
  double fy = y - (double)y0, fx = x - (double)x0;
  return (1 - fy) * ((1 - fx) * (double)map[(y0 * w + x0) * ld] +
                     fx * (double)map[(y0 * w + x1) * ld]) +
         fy * ((1 - fx) * (double)map[(y1 * w + x0) * ld] +
               fx * (double)map[(y1 * w + x1) * ld]);
}

static void check_resize(size_t hi, size_t wi, size_t ho, size_t wo, size_t channels) {
  gm_rng rng = {hi + 31 * wo};
  resize_case r = {ho, wo, hi, wi, channels, channels + 3, channels + 2, NULL};
  float *in = random_floats(&rng, hi * wi * r.ld_in, -1, 1);
  size_t n = ho * wo * r.ld_out;
  float *before = random_floats(&rng, n, 4, 5);
  r.in = in;
  float *out = run_op(run_resize, &r, before, n, "resize");
  for (size_t i = 0; i < ho * wo; i++) {
    double y = ho > 1 ? (double)(i / wo) * (double)(hi - 1) / (double)(ho - 1) : 0;
    double x = wo > 1 ? (double)(i % wo) * (double)(wi - 1) / (double)(wo - 1) : 0;
    for (size_t k = 0; k < channels; k++) {
      double want = bilinear(in + k, hi, wi, r.ld_in, y, x);
      /* A coordinate below 128 is off by at most three roundings, 3 * 128 units, and the values
       * on its two sides differ by at most 2, in two directions. */
      assert_within(&out[i * r.ld_out + k], &want, 1, UNIT * 2 * 2 * 3 * 128, "resize");
    }
    assert_same_bits(&out[i * r.ld_out + channels], &before[i * r.ld_out + channels], 2,
                     "what lies between");
  }
  free(in), free(before), free(out);
}

static void test_resize(void **state) {
  (void)state;
  check_resize(4, 4, 8, 8, 5);
  check_resize(8, 8, 4, 4, 64);
  check_resize(32, 32, 128, 128, 3);
  check_resize(7, 5, 3, 11, 17);
  check_resize(1, 1, 3, 2, 4);
  check_resize(5, 6, 1, 1, 4);
  check_resize(9, 9, 9, 9, 8);
}

/* 2 -> 3 with aligned corners: the middle is the mean. */
static void test_resize_by_hand(void **state) {
  (void)state;
  gm_compute *c = compute_open(1, NULL);
  float in[] = {0, 4, 8, 20}, out[9];
  gm_resize_bilinear(c, out, 1, 3, 3, in, 1, 2, 2, 1);
  assert_within(out, (double[]){0, 2, 4, 4, 8, 12, 8, 14, 20}, 9, 0, "2 x 2 to 3 x 3");
  compute_close(c);
}

/* ---- RoIAlign */

typedef struct roi_case {
  size_t h, w, channels, n, bins;
  const float *map, *boxes;
  float stride;
} roi_case;

static void run_roi(gm_compute *c, void *arg, float *out) {
  const roi_case *r = arg;
  gm_roi_align(c, out, r->map, r->h, r->w, r->channels, r->boxes, r->n, r->bins, r->stride);
}

/* One sample of one channel: 0 off the map, else clamped (a coordinate in [-1, 0] counts as 0,
 * one at the last row or past it as the last row). */
static double roi_sample(const roi_case *r, double y, double x, size_t channel) {
  double h = (double)r->h, w = (double)r->w;
  if (y < -1 || y > h || x < -1 || x > w) return 0;
  return bilinear(r->map + channel, r->h, r->w, r->channels, fmin(fmax(y, 0), h - 1),
                  fmin(fmax(x, 0), w - 1));
}

static double roi_bin(const roi_case *r, const float *box, size_t row, size_t column,
                      size_t channel) {
  double stride = (double)r->stride, bins = (double)r->bins, sum = 0;
  double height = ((double)box[3] - (double)box[1]) / stride / bins;
  double width = ((double)box[2] - (double)box[0]) / stride / bins;
  for (size_t s = 0; s < 4; s++) {
    double y = (double)box[1] / stride - 0.5;
    double x = (double)box[0] / stride - 0.5;
    y += height * ((double)row + ((double)(s / 2) + 0.5) / 2);
    x += width * ((double)column + ((double)(s % 2) + 0.5) / 2);
    sum += roi_sample(r, y, x, channel);
  }
  return sum / 4;
}

/* Boxes are multiples of 1/8 and strides and bins powers of two, so that every coordinate is
 * exact in f32 and no sample changes sides at -1 or at the far edge by rounding. */
static void check_roi(size_t h, size_t w, size_t channels, size_t bins, float stride) {
  enum { BOXES = 40 };
  gm_rng rng = {h * 100 + bins};
  float *map = random_floats(&rng, h * w * channels, -1, 1);
  float boxes[4 * BOXES];
  for (size_t i = 0; i < 4 * BOXES; i++) {
    double size = (double)stride * (double)(i % 2 ? h : w);
    boxes[i] = (float)(floor((gm_rng_unit(&rng) * 4 - 1.5) * size * 8) / 8);
  }
  roi_case r = {h, w, channels, BOXES, bins, map, boxes, stride};
  size_t n = BOXES * bins * bins;
  float *out = run_op(run_roi, &r, NULL, n * channels, "RoIAlign");
  size_t zero = 0;
  for (size_t i = 0; i < n * channels; i++) {
    size_t cell = i / channels;
    double want = roi_bin(&r, boxes + 4 * (cell / bins / bins), cell / bins % bins, cell % bins,
                          i % channels);
    /* 16 products of exact coordinates: two factors, a quarter, the sum. */
    assert_within(&out[i], &want, 1, UNIT * 20, "RoIAlign");
    zero += want == 0;
  }
  /* More than half of each axis lies off the map. */
  assert_in_range(zero, n * channels / 4, n * channels);
  free(map), free(out);
}

static void test_roi_align(void **state) {
  (void)state;
  check_roi(16, 16, 5, 4, 2);
  check_roi(9, 13, 32, 8, 4);
  check_roi(1, 1, 3, 2, 8);
  check_roi(5, 32, 70, 16, 0.5F);
}

/* The map holds its own x coordinate, so a bin holds the mean of its clamped sample positions.
 */
static void test_roi_align_by_hand(void **state) {
  (void)state;
  gm_compute *c = compute_open(1, NULL);
  float map[16], out[4];
  for (size_t i = 0; i < 16; i++) map[i] = (float)(i % 4);
  /* x from -0.5 to 3.5 in two bins of 2: samples 0, 1 and 2, 3. */
  gm_roi_align(c, out, map, 4, 4, 1, (float[]){0, 0, 4, 4}, 1, 2, 1);
  assert_within(out, (double[]){0.5, 2.5, 0.5, 2.5}, 4, 0, "the whole map");
  /* The same backwards: samples 3, 2 and 1, 0. */
  gm_roi_align(c, out, map, 4, 4, 1, (float[]){4, 4, 0, 0}, 1, 2, 1);
  assert_within(out, (double[]){2.5, 0.5, 2.5, 0.5}, 4, 0, "backwards");
  /* x = 2.5, 3.5 (counts as 3) in the first bin; 4.5, 5.5 in the second are off the map. In y
   * the second row of bins is off the map too. */
  gm_roi_align(c, out, map, 4, 4, 1, (float[]){2.5, 2.5, 6.5, 6.5}, 1, 2, 1);
  assert_within(out, (double[]){2.75, 0, 0, 0}, 4, 0, "over the far corner");
  /* x = -1, 0, 1, 2: -1 is still on the map. y = -1.5 is off it, -0.5 is not: half the samples
   * of the upper bins count. */
  gm_roi_align(c, out, map, 4, 4, 1, (float[]){-1, -1.5, 3, 2.5}, 1, 2, 1);
  assert_within(out, (double[]){0, 0.75, 0, 1.5}, 4, 0, "over the near corner");
  /* x = 4 exactly is still on the map of width 4. */
  gm_roi_align(c, out, map, 4, 4, 1, (float[]){4.5, 2, 4.5, 2}, 1, 1, 1);
  assert_within(out, (double[]){3}, 1, 0, "on the far edge");
  compute_close(c);
}

/* ---- deformable sampling */

typedef struct deform_case {
  gm_deform_map map;
  size_t queries;
  const gm_reference *from;
  const float *offset, *score;
} deform_case;

static void run_deform(gm_compute *c, void *arg, float *out) {
  const deform_case *k = arg;
  gm_deform_sample(c, out, &k->map, k->from, k->offset, k->score, k->queries);
}

/* Bilinear reading where everything outside the map is 0. */
static double deform_read(const gm_deform_map *map, double x, double y, size_t column) {
  double sum = 0, x0 = floor(x), y0 = floor(y);
  for (size_t i = 0; i < 4; i++) {
    double cx = x0 + (double)(i % 2), cy = y0 + (double)(i / 2);
    if (cx < 0 || cy < 0 || cx >= (double)map->w || cy >= (double)map->h) continue;
    size_t position = (size_t)cy * map->w + (size_t)cx;
    sum += (1 - fabs(x - cx)) * (1 - fabs(y - cy)) *
           (double)map->value[position * map->ld + column];
  }
  return sum;
}

/* Column `column` of query i's result. */
static double deform_expected(const deform_case *k, size_t i, size_t column) {
  const gm_deform_map *map = &k->map;
  const gm_reference *from = &k->from[i];
  size_t first = (i * map->heads + column / map->d) * map->points;
  double sum = 0, total = 0;
  for (size_t at = first; at < first + map->points; at++) {
    double x = (double)from->x + (double)k->offset[2 * at] * (double)from->step_x;
    double y = (double)from->y + (double)k->offset[2 * at + 1] * (double)from->step_y;
    double share = exp((double)k->score[at]);
    total += share;
    sum += share * deform_read(map, x * (double)map->w - 0.5, y * (double)map->h - 0.5, column);
  }
  return sum / total;
}

static void check_deform(const gm_kernels *kernels, size_t h, size_t w, size_t heads, size_t d,
                         size_t queries, size_t points) {
  gm_rng rng = {h + queries};
  size_t width = heads * d, ld = width + 3;
  float *value = random_floats(&rng, h * w * ld, -1, 1);
  float *from = random_floats(&rng, queries * 4, 0, 1);
  float *offset = random_floats(&rng, queries * heads * points * 2, -0.7F, 0.7F);
  float *score = random_floats(&rng, queries * heads * points, -3, 3);
  deform_case k = {{value, ld, h, w, heads, d, points},
                   queries,
                   (const gm_reference *)(const void *)from,
                   offset,
                   score};
  float *out =
      run_op_with(kernels, run_deform, &k, NULL, queries * width, "deformable sampling");
  for (size_t i = 0; i < queries * width; i++) {
    double want = deform_expected(&k, i / width, i % width);
    /* A reading is a continuous function that changes by at most 2 per pixel and axis; a
     * coordinate of up to 1.7 * 32 pixels is off by three roundings. Shares: an argument of up
     * to 6, exp and a sum of `points`. */
    assert_within(&out[i], &want, 1, UNIT * (3 * 2 * 2 * 55 + 6 + 8 + (double)points),
                  "deformable sampling");
  }
  free(value), free(from), free(offset), free(score), free(out);
}

static void test_deform_sample(void **state) {
  (void)state;
  const gm_kernels *kernels;
  for (size_t t = 0; (kernels = gm_kernels_at(t)) != NULL; t++) {
    check_deform(kernels, 8, 8, 2, 4, 20, 4);
    check_deform(kernels, 32, 32, 8, 32, 50, 4);
    check_deform(kernels, 1, 1, 1, 1, 33, 1);
    check_deform(kernels, 5, 9, 3, 17, 9, GM_MAX_POINTS);
    check_deform(kernels, 9, 5, 11, 50, 9, 7);
  }
}

/* One query of one head on a 2 x 2 map, with offsets from the upper left corner. */
static float look(const float *offset, const float *score, size_t points) {
  gm_compute *c = compute_open(1, NULL);
  const float value[] = {1, 2, 3, 4};
  float out;
  gm_deform_map map = {value, 1, 2, 2, 1, 1, points};
  gm_deform_sample(c, &out, &map, &(gm_reference){0, 0, 1, 1}, offset, score, 1);
  compute_close(c);
  return out;
}

/* The centre of a cell reads that cell; a corner of the map has one cell and three zeros. */
static void test_deform_sample_by_hand(void **state) {
  (void)state;
  /* The shares of scores that are far apart are 1 and 0, of equal ones 1/2. */
  float out = look((float[]){0.75F, 0.25F, 0.25F, 0.75F}, (float[]){0, 200}, 2);
  assert_within(&out, (double[]){3}, 1, 0, "a cell");
  out = look((float[]){0.5F, 0.5F, 0, 0}, (float[]){-7, -7}, 2);
  assert_within(&out, (double[]){(2.5 + 0.25) / 2}, 1, 0, "the middle and a corner");
  out = look((float[]){-0.25F, 0.5F}, (float[]){1}, 1);
  assert_within(&out, (double[]){0}, 1, 0, "a cell's width outside");
  out = look((float[]){1.25F, 0.5F}, (float[]){1}, 1);
  assert_within(&out, (double[]){0}, 1, 0, "the same on the right");
}

/* Coordinates that only a broken model gives: nothing is read, nothing crashes. */
static void test_sampling_far_away(void **state) {
  (void)state;
  gm_compute *c = compute_open(1, NULL);
  float map[4] = {1, 1, 1, 1}, out[1];
  const float far[] = {1e30F, -1e30F, INFINITY, -INFINITY, NAN};
  for (size_t i = 0; i < 5; i++) {
    gm_roi_align(c, out, map, 2, 2, 1, (float[]){far[i], 0, far[i], 1}, 1, 1, 1);
    assert_within(out, (double[]){0}, 1, 0, "RoIAlign far away");
    *out = look((float[]){far[i], 0.5F}, (float[]){1}, 1);
    assert_within(out, (double[]){0}, 1, 0, "deformable sampling far away");
    *out = look((float[]){0.5F, far[i]}, (float[]){1}, 1);
    assert_within(out, (double[]){0}, 1, 0, "deformable sampling far below");
  }
  compute_close(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_resize),
      cmocka_unit_test(test_resize_by_hand),
      cmocka_unit_test(test_roi_align),
      cmocka_unit_test(test_roi_align_by_hand),
      cmocka_unit_test(test_deform_sample),
      cmocka_unit_test(test_deform_sample_by_hand),
      cmocka_unit_test(test_sampling_far_away),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
