/* test_sampling.c - resizing, RoIAlign and deformable sampling against double precision and by
 * hand; the border rules of RoIAlign and reversed boxes. */
#include "gradient_check.h"
#include "sampling_f64.h"

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

static void check_resize(size_t hi, size_t wi, size_t ho, size_t wo, size_t channels) {
  gm_rng rng = {hi + 31 * wo};
  resize_case r = {ho, wo, hi, wi, channels, channels + 3, channels + 2, NULL};
  float *in = random_floats(&rng, hi * wi * r.ld_in, -1, 1);
  size_t n = ho * wo * r.ld_out;
  float *before = random_floats(&rng, n, 4, 5);
  r.in = in;
  float *out = run_op(run_resize, &r, before, n, "resize");
  double *in64 = as_doubles(in, hi * wi * r.ld_in), *want = as_doubles(before, n);
  resize_f64(want, r.ld_out, ho, wo, in64, r.ld_in, hi, wi, channels);
  for (size_t i = 0; i < ho * wo; i++) {
    /* A coordinate below 128 is off by at most three roundings, 3 * 128 units, and the values
     * on its two sides differ by at most 2, in two directions. */
    assert_within(&out[i * r.ld_out], &want[i * r.ld_out], channels, UNIT * 2 * 2 * 3 * 128,
                  "resize");
    assert_same_bits(&out[i * r.ld_out + channels], &before[i * r.ld_out + channels], 2,
                     "what lies between");
  }
  free(in), free(before), free(out), free(in64), free(want);
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
  double *map64 = as_doubles(map, h * w * channels), *want = as_doubles(out, n * channels);
  roi_align_f64(want, map64, h, w, channels, boxes, BOXES, bins, (double)stride);
  /* 16 products of exact coordinates: two factors, a quarter, the sum. */
  assert_within(out, want, n * channels, UNIT * 20, "RoIAlign");
  size_t zero = 0;
  for (size_t i = 0; i < n * channels; i++) zero += want[i] == 0;
  /* More than half of each axis lies off the map. */
  assert_in_range(zero, n * channels / 4, n * channels);
  free(map), free(out), free(map64), free(want);
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
  double *value64 = as_doubles(value, h * w * ld), *want = as_doubles(out, queries * width);
  double *offset64 = as_doubles(offset, queries * heads * points * 2);
  double *score64 = as_doubles(score, queries * heads * points);
  deform_f64(want, &k.map, value64, k.from, offset64, score64, queries);
  /* A reading is a continuous function that changes by at most 2 per pixel and axis; a
   * coordinate of up to 1.7 * 32 pixels is off by three roundings. Shares: an argument of up to
   * 6, exp and a sum of `points`. */
  assert_within(out, want, queries * width, UNIT * (3 * 2 * 2 * 55 + 6 + 8 + (double)points),
                "deformable sampling");
  free(value64), free(want), free(offset64), free(score64);
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
