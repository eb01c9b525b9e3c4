/* test_sampling_bwd.c - gradients of resizing, RoIAlign and deformable sampling against
 * differences of plain forward passes in double precision, which themselves give what the
 * operations of inference give.
 *
 * By the map all three are linear. By an offset the reading has a kink at the centre of each
 * cell: the points of this test stay at least 0.1 cells away from there. */
#include "gradient_check.h"
#include "ops_bwd.h"
#include "sampling_f64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double dot(const double *a, const float *b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += a[i] * (double)b[i];
  return sum;
}

static void assert_forward(op_fn fn, void *arg, const double *want, size_t n, double bound) {
  float *out = run_op(fn, arg, NULL, n, "forward");
  assert_within(out, want, n, bound, "forward");
  free(out);
}

/* ---- resizing */

typedef struct resize_case {
  size_t hi, wi, ho, wo, channels, ld_in, ld_out;
  bool add;
  const float *in, *d_out;
  double *in64, *out64;
} resize_case;

static double resize_loss(void *user) {
  const resize_case *r = user;
  resize_f64(r->out64, r->ld_out, r->ho, r->wo, r->in64, r->ld_in, r->hi, r->wi, r->channels);
  return dot(r->out64, r->d_out, r->ho * r->wo * r->ld_out);
}

static void run_resize(gm_compute *c, void *arg, float *out) {
  const resize_case *r = arg;
  gm_resize_bilinear(c, out, r->ld_out, r->ho, r->wo, r->in, r->ld_in, r->hi, r->wi,
                     r->channels);
}

static void run_resize_back(gm_compute *c, void *arg, float *out) {
  const resize_case *r = arg;
  gm_training t = {.c = c};
  gm_resize_bilinear_back(&t, out, r->ld_in, r->hi, r->wi, r->add, r->d_out, r->ld_out, r->ho,
                          r->wo, r->channels);
}

static void check_resize(size_t hi, size_t wi, size_t ho, size_t wo, size_t channels) {
  gm_rng rng = {hi + 31 * wo};
  resize_case r = {hi,           wi,    ho,   wo,   channels, channels + 3,
                   channels + 2, false, NULL, NULL, NULL,     NULL};
  size_t n_in = hi * wi * r.ld_in, n_out = ho * wo * r.ld_out;
  float *in = random_floats(&rng, n_in, -1, 1), *d_out = random_floats(&rng, n_out, -1, 1);
  float *zero = zeros(n_out), *before = random_floats(&rng, n_in, 4, 5);
  r.in = in;
  r.d_out = d_out;
  r.in64 = as_doubles(in, n_in);
  r.out64 = as_doubles(zero, n_out);
  resize_loss(&r);
  /* A coordinate below 16 is off by at most three roundings, 3 * 16 units; the values on its
   * two sides differ by at most 2, on two axes. */
  assert_forward(run_resize, &r, r.out64, n_out, UNIT * 2 * 2 * 3 * 16);

  float *d_in = run_op(run_resize_back, &r, before, n_in, "resize");
  r.add = true;
  float *sum = run_op(run_resize_back, &r, before, n_in, "resize, added");
  for (size_t i = 0; i < n_in; i++) {
    bool between = i % r.ld_in >= channels;
    double want = (double)before[i] + (between ? 0 : (double)d_in[i]);
    /* Each of a few dozen terms is rounded into a sum of up to 40. */
    assert_within(&sum[i], &want, 1, UNIT * 40 * 64, "resize, added");
    if (between) assert_same_bits(&d_in[i], &before[i], 1, "what lies between");
    if (between) d_in[i] = 0; /* the loss does not see it */
  }
  /* So many outputs read an input on each axis; each with weights that are off by a
   * coordinate's error on both axes, and one rounding into the sum. */
  double terms = (double)((2 * ho / hi + 2) * (2 * wo / wi + 2));
  assert_gradient(resize_loss, &r, r.in64, d_in, n_in, 0, terms * (2 * 3 * 16 + 1), 0,
                  "resize");
  free(in), free(d_out), free(zero), free(before), free(r.in64), free(r.out64);
  free(d_in), free(sum);
}

static void test_resize_back(void **state) {
  (void)state;
  check_resize(4, 4, 8, 8, 5);
  check_resize(8, 8, 4, 4, 4);
  check_resize(3, 3, 12, 12, 2);
  check_resize(7, 5, 3, 11, 3);
  check_resize(1, 1, 3, 2, 4);
  check_resize(5, 6, 1, 1, 4);
  check_resize(9, 9, 9, 9, 1);
}

/* The inverse of test_sampling.c's example: 2 -> 3 with aligned corners. */
static void test_resize_back_by_hand(void **state) {
  (void)state;
  gm_compute *c = compute_open(1, NULL);
  gm_training t = {.c = c};
  float d_in[4];
  const float d_out[] = {4, 8, 0, 16, 32, 0, 0, 0, 64};
  gm_resize_bilinear_back(&t, d_in, 1, 2, 2, false, d_out, 1, 3, 3, 1);
  assert_within(d_in, (double[]){4 + 4 + 8 + 8, 4 + 8, 8 + 8, 8 + 64}, 4, 0, "2 x 2 to 3 x 3");
  compute_close(c);
}

/* ---- RoIAlign */

typedef struct roi_case {
  size_t h, w, channels, n, bins;
  const float *map, *boxes, *d_out;
  float stride;
  double *map64, *out64;
} roi_case;

static double roi_loss(void *user) {
  const roi_case *r = user;
  roi_align_f64(r->out64, r->map64, r->h, r->w, r->channels, r->boxes, r->n, r->bins,
                (double)r->stride);
  return dot(r->out64, r->d_out, r->n * r->bins * r->bins * r->channels);
}

static void run_roi(gm_compute *c, void *arg, float *out) {
  const roi_case *r = arg;
  gm_roi_align(c, out, r->map, r->h, r->w, r->channels, r->boxes, r->n, r->bins, r->stride);
}

static void run_roi_back(gm_compute *c, void *arg, float *out) {
  const roi_case *r = arg;
  gm_training t = {.c = c};
  assert_int_equal(gm_roi_align_back(&t, out, r->h, r->w, r->channels, r->boxes, r->n, r->bins,
                                     r->stride, r->d_out),
                   GM_OK);
}

/* Boxes are multiples of 1/8 and strides and bins powers of two, so that every coordinate is
 * exact in f32 and no sample changes sides at -1 or at the far edge by rounding. Half of them
 * run backwards, and about half of the samples are off the map. */
static void check_roi(size_t h, size_t w, size_t channels, size_t bins, float stride) {
  enum { BOXES = 12 };
  gm_rng rng = {h * 100 + bins};
  size_t n_map = h * w * channels, n_out = BOXES * bins * bins * channels;
  float *map = random_floats(&rng, n_map, -1, 1), *d_out = random_floats(&rng, n_out, -1, 1);
  float *zero = zeros(n_out), boxes[4 * BOXES];
  for (size_t i = 0; i < 4 * BOXES; i++) {
    double size = (double)stride * (double)(i % 2 ? h : w);
    boxes[i] = (float)(floor((gm_rng_unit(&rng) * 4 - 1.5) * size * 8) / 8);
  }
  roi_case r = {h,
                w,
                channels,
                BOXES,
                bins,
                map,
                boxes,
                d_out,
                stride,
                as_doubles(map, n_map),
                as_doubles(zero, n_out)};
  roi_loss(&r);
  /* 16 products of exact coordinates: two factors, a quarter, the sum. */
  assert_forward(run_roi, &r, r.out64, n_out, UNIT * 20);
  float *d_map = run_op(run_roi_back, &r, NULL, n_map, "RoIAlign");
  /* A corner of the map, to which samples beyond it are moved, may get a quarter of all; each
   * term has three roundings and one into the sum, of terms of either sign. */
  assert_gradient(roi_loss, &r, r.map64, d_map, n_map, 0, 4 * (double)(BOXES * bins * bins), 0,
                  "RoIAlign");
  float *twice = run_op(run_roi_back, &r, d_map, n_map, "RoIAlign, added");
  for (size_t i = 0; i < n_map; i++) {
    double want = 2 * (double)d_map[i];
    assert_within(&twice[i], &want, 1, UNIT * 4 * (double)(BOXES * bins * bins),
                  "RoIAlign, added");
  }
  free(map), free(d_out), free(zero), free(r.map64), free(r.out64), free(d_map), free(twice);
}

static void test_roi_align_back(void **state) {
  (void)state;
  check_roi(8, 8, 3, 4, 2);
  check_roi(5, 9, 2, 4, 4);
  check_roi(1, 1, 3, 2, 8);
  check_roi(3, 11, 1, 8, 0.5F);
}

/* ---- deformable sampling */

typedef struct deform_case {
  gm_deform_map map;
  size_t queries;
  const gm_reference *from;
  const float *offset, *score, *d_out;
  bool add;
  double *value64, *offset64, *score64, *out64;
} deform_case;

static size_t deform_values(const deform_case *k) {
  return k->map.h * k->map.w * k->map.ld;
}

static size_t deform_points(const deform_case *k) {
  return k->queries * k->map.heads * k->map.points;
}

static void run_deform(gm_compute *c, void *arg, float *out) {
  const deform_case *k = arg;
  gm_deform_sample(c, out, &k->map, k->from, k->offset, k->score, k->queries);
}

/* out: by the values, by the offsets, by the scores. */
static void run_deform_back(gm_compute *c, void *arg, float *out) {
  const deform_case *k = arg;
  gm_training t = {.c = c};
  float *d_offset = out + deform_values(k), *d_score = d_offset + 2 * deform_points(k);
  assert_int_equal(gm_deform_sample_back(&t, &k->map, k->from, k->offset, k->score, k->queries,
                                         k->d_out, out, k->add, d_offset, d_score),
                   GM_OK);
}

static double deform_loss(void *user) {
  const deform_case *k = user;
  deform_f64(k->out64, &k->map, k->value64, k->from, k->offset64, k->score64, k->queries);
  return dot(k->out64, k->d_out, k->queries * k->map.heads * k->map.d);
}

/* An offset to a coordinate that is at most 3 cells outside the map, on any side, and at least
 * 0.15 cells away from every cell's centre. */
static float safe_offset(gm_rng *rng, float reference, float step, size_t n) {
  double cell = floor(gm_rng_unit(rng) * (double)(n + 6)) - 3;
  double at = cell + 0.15 + 0.7 * gm_rng_unit(rng);
  return (float)(((at + 0.5) / (double)n - (double)reference) / (double)step);
}

static void check_deform(size_t h, size_t w, size_t heads, size_t d, size_t queries,
                         size_t points) {
  gm_rng rng = {h + 10 * queries};
  size_t width = heads * d, ld = width + 3, n_values = h * w * ld;
  size_t n_points = queries * heads * points;
  float *value = random_floats(&rng, n_values, -1, 1), *from = zeros(queries * 4);
  float *offset = zeros(2 * n_points), *score = random_floats(&rng, n_points, -2, 2);
  float *d_out = random_floats(&rng, queries * width, -1, 1);
  for (size_t i = 0; i < queries * 4; i++)
    from[i] = (float)(i % 4 < 2 ? gm_rng_unit(&rng) : 0.1 + 0.1 * gm_rng_unit(&rng));
  for (size_t i = 0; i < 2 * n_points; i++) {
    const float *reference = from + 4 * (i / (2 * heads * points)) + i % 2;
    offset[i] = safe_offset(&rng, reference[0], reference[2], i % 2 ? h : w);
  }
  deform_case k = {{value, ld, h, w, heads, d, points},
                   queries,
                   (const gm_reference *)(const void *)from,
                   offset,
                   score,
                   d_out,
                   false,
                   as_doubles(value, n_values),
                   as_doubles(offset, 2 * n_points),
                   as_doubles(score, n_points),
                   as_doubles(d_out, queries * width)};
  deform_loss(&k);
  /* A coordinate of up to 16 cells on each side of 0 is off by three roundings. */
  double coordinate = 3 * 16;
  assert_forward(run_deform, &k, k.out64, queries * width,
                 UNIT * (2 * 2 * coordinate + 14 + (double)points));

  size_t n = n_values + 3 * n_points;
  float *before = random_floats(&rng, n, 4, 5);
  float *back = run_op(run_deform_back, &k, before, n, "deformable sampling");
  k.add = true;
  float *sum = run_op(run_deform_back, &k, before, n, "deformable sampling, added");
  for (size_t i = 0; i < n_values; i++) {
    bool between = i % ld >= width;
    double want = (double)before[i] + (between ? 0 : (double)back[i]);
    /* At worst every point of the head is rounded into a sum of up to 20. */
    assert_within(&sum[i], &want, 1, UNIT * 20 * (double)(queries * points),
                  "deformable sampling, added");
    if (between) assert_same_bits(&back[i], &before[i], 1, "what lies between");
    if (between) back[i] = 0;
  }
  assert_same_bits(sum + n_values, back + n_values, 3 * n_points, "what is not added to");
  /* A weight is off by a coordinate's error on both axes and by its share's; of the points of a
   * head at most every one reads a cell. */
  assert_gradient(deform_loss, &k, k.value64, back, n_values, 0,
                  (2 * coordinate + 20) * (double)(queries * points), 0, "values");
  /* A slope changes with the other axis alone: by at most twice the largest dot product per
   * cell. The dot product has d terms. */
  double units = 4 * (2 * coordinate + (double)d + 20);
  assert_gradient(deform_loss, &k, k.offset64, back + n_values, 2 * n_points, 0, units, 0,
                  "offsets");
  assert_gradient(deform_loss, &k, k.score64, back + n_values + 2 * n_points, n_points, 0,
                  units, 1, "scores");
  free(value), free(from), free(offset), free(score), free(d_out);
  free(k.value64), free(k.offset64), free(k.score64), free(k.out64);
  free(before), free(back), free(sum);
}

static void test_deform_sample_back(void **state) {
  (void)state;
  check_deform(4, 4, 2, 4, 5, 4);
  check_deform(5, 3, 3, 5, 4, 3);
  check_deform(1, 1, 1, 1, 9, 1);
  check_deform(2, 7, 1, 17, 3, GM_MAX_POINTS);
}

/* Coordinates that only a broken model gives: nothing is read, so nothing is written. */
static void test_sampling_back_far_away(void **state) {
  (void)state;
  gm_compute *c = compute_open(1, NULL);
  gm_training t = {.c = c};
  const float value[4] = {1, 1, 1, 1}, d_out[1] = {1}, score[1] = {0};
  const float far[] = {1e30F, -1e30F, INFINITY, -INFINITY, NAN};
  for (size_t i = 0; i < 5; i++) {
    float d[4] = {0}, d_offset[2], d_score[1];
    const float box[4] = {far[i], 0, far[i], 1}, offset[2] = {0.5F, far[i]};
    assert_int_equal(gm_roi_align_back(&t, d, 2, 2, 1, box, 1, 1, 1, d_out), GM_OK);
    gm_deform_map map = {value, 1, 2, 2, 1, 1, 1};
    assert_int_equal(gm_deform_sample_back(&t, &map, &(gm_reference){0, 0, 1, 1}, offset, score,
                                           1, d_out, d, true, d_offset, d_score),
                     GM_OK);
    assert_within(d, (double[]){0, 0, 0, 0}, 4, 0, "the map");
    assert_within(d_offset, (double[]){0, 0}, 2, 0, "the offset");
    assert_within(d_score, (double[]){0}, 1, 0, "the score");
  }
  compute_close(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_resize_back),
      cmocka_unit_test(test_resize_back_by_hand),
      cmocka_unit_test(test_roi_align_back),
      cmocka_unit_test(test_deform_sample_back),
      cmocka_unit_test(test_sampling_back_far_away),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
