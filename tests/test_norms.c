/* test_norms.c - layer, RMS and group norm against double precision and by hand. */
#include "ops_support.h"

#include <math.h>
#include <stdlib.h>

typedef struct norm_case {
  size_t rows, dim, groups; /* groups: group norm of rows positions */
  const float *x, *weight, *bias;
  float eps;
  bool relu;
} norm_case;

static void run_layer_norm(gm_compute *c, void *arg, float *out) {
  const norm_case *n = arg;
  gm_layer_norm(c, out, n->x, n->rows, n->dim, n->weight, n->bias, n->eps);
}

static void run_rms_norm(gm_compute *c, void *arg, float *out) {
  const norm_case *n = arg;
  gm_rms_norm(c, out, out, n->rows, n->dim, n->weight, n->eps);
}

static void run_group_norm(gm_compute *c, void *arg, float *out) {
  const norm_case *n = arg;
  assert_ok(gm_group_norm(c, out, 2, n->rows, n->dim, n->groups, n->weight, n->bias, n->eps,
                          n->relu, NULL),
            c->err);
}

static const size_t sizes[][2] = {{1, 1},    {3, 5},     {7, 64},   {33, 31},
                                  {2, 1024}, {50, 1000}, {1, 20000}};

/* Values are in [2, 6): mean 4, deviation 1.15, so 1/deviation is about 0.87 (more for one or
 * two values: then the differences vanish with it). A mean that is off by UNIT * (4 + log n)
 * parts, the rounding of x - mean (exact here: within a factor of two of each other, or
 * smaller), of three products and a sum of at most 4 * 1.5 + 1: 16 units times the largest
 * output, 8, are ample; sums of n terms in up to 8 chains add n / 8 units in the worst case to
 * the relative errors of mean (times 4 * 0.87) and variance (times the output). */
static double norm_bound(size_t dim) {
  return UNIT * (16 * 8 + (double)dim / 8 * 8);
}

static void test_layer_norm(void **state) {
  (void)state;
  gm_rng rng = {1};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    size_t rows = sizes[s][0], dim = sizes[s][1];
    float *x = random_floats(&rng, rows * dim, 2, 6), *w = random_floats(&rng, dim, -1, 1);
    float *b = random_floats(&rng, dim, -1, 1);
    norm_case n = {.rows = rows, .dim = dim, .x = x, .weight = w, .bias = b, .eps = 1e-5F};
    float *y = run_op(run_layer_norm, &n, NULL, rows * dim, "layer norm");
    double *want = malloc(dim * sizeof *want);
    assert_non_null(want);
    for (size_t r = 0; r < rows; r++) {
      double mean = 0, var = 0;
      for (size_t i = 0; i < dim; i++) mean += (double)x[r * dim + i] / (double)dim;
      for (size_t i = 0; i < dim; i++)
        var += pow((double)x[r * dim + i] - mean, 2) / (double)dim;
      for (size_t i = 0; i < dim; i++)
        want[i] =
            ((double)x[r * dim + i] - mean) / sqrt(var + 1e-5) * (double)w[i] + (double)b[i];
      assert_within(y + r * dim, want, dim, norm_bound(dim), "layer norm");
    }
    free(x), free(w), free(b), free(y), free(want);
  }
}

static void test_rms_norm(void **state) {
  (void)state;
  gm_rng rng = {2};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    size_t rows = sizes[s][0], dim = sizes[s][1];
    float *x = random_floats(&rng, rows * dim, -3, 3), *w = random_floats(&rng, dim, -1, 1);
    norm_case n = {.rows = rows, .dim = dim, .weight = w, .eps = 1e-6F};
    float *y = run_op(run_rms_norm, &n, x, rows * dim, "RMS norm");
    double *want = malloc(dim * sizeof *want);
    assert_non_null(want);
    for (size_t r = 0; r < rows; r++) {
      double squares = 0;
      for (size_t i = 0; i < dim; i++) squares += pow((double)x[r * dim + i], 2) / (double)dim;
      for (size_t i = 0; i < dim; i++)
        want[i] = (double)x[r * dim + i] / sqrt(squares + 1e-6) * (double)w[i];
      /* As above without a mean. */
      assert_within(y + r * dim, want, dim, norm_bound(dim), "RMS norm");
    }
    free(x), free(w), free(y), free(want);
  }
}

static void expect_group_norm(const norm_case *n, double *want) {
  size_t width = n->dim / n->groups;
  for (size_t g = 0; g < 2 * n->groups; g++) {
    size_t first = g / n->groups * n->rows * n->dim + g % n->groups * width;
    double mean = 0, var = 0, count = (double)(n->rows * width);
    for (size_t i = 0; i < n->rows * width; i++)
      mean += (double)n->x[first + i / width * n->dim + i % width] / count;
    for (size_t i = 0; i < n->rows * width; i++)
      var += pow((double)n->x[first + i / width * n->dim + i % width] - mean, 2) / count;
    for (size_t i = 0; i < n->rows * width; i++) {
      size_t at = first + i / width * n->dim + i % width, channel = at % n->dim;
      double y = ((double)n->x[at] - mean) / sqrt(var + (double)n->eps);
      y = y * (double)n->weight[channel] + (double)n->bias[channel];
      want[at] = n->relu && y < 0 ? 0 : y;
    }
  }
}

/* The shift of a channel is a difference of products as large as mean / deviation, so the error
 * grows with that quotient: values are `center` + [-1, 1), deviation 0.58 (0.3 where few). */
static void check_group_norm(size_t hw, size_t channels, size_t groups, bool relu,
                             float center) {
  gm_rng rng = {hw + channels};
  size_t floats = 2 * hw * channels;
  float *x = random_floats(&rng, floats, center - 1, center + 1);
  float *w = random_floats(&rng, channels, -1, 1), *b = random_floats(&rng, channels, -1, 1);
  norm_case n = {hw, channels, groups, x, w, b, 1e-5F, relu};
  float *y = run_op(run_group_norm, &n, x, floats, "group norm");
  double *want = malloc(floats * sizeof *want);
  assert_non_null(want);
  expect_group_norm(&n, want);
  assert_within(y, want, floats, UNIT * (64 + 16 * fabs((double)center) / 0.3), "group norm");
  free(x), free(w), free(b), free(y), free(want);
}

static void test_group_norm(void **state) {
  (void)state;
  check_group_norm(9, 6, 2, false, 0);
  check_group_norm(100, 64, 64, true, 0);
  check_group_norm(31, 128, 64, true, 2);
  check_group_norm(33, 30, 3, false, -5);
  check_group_norm(1024, 64, 8, true, 1);
}

/* A mean of 1000 deviations: sums of squares in f32 would lose everything (1e6 has a unit of
 * 0.06 next to a variance of 0.33); merged means lose only what the input itself has lost. */
static void test_group_norm_far_from_zero(void **state) {
  (void)state;
  check_group_norm(200, 16, 4, false, 1000);
}

/* [1, 3] has mean 2 and deviation 1; [1, 7] has mean square 25. */
static void test_norms_by_hand(void **state) {
  (void)state;
  gm_compute *c = compute_open(1, NULL);
  float x[] = {1, 3}, w[] = {10, 100}, b[] = {0.5F, 0.25F}, y[2], z[] = {1, 7};
  gm_layer_norm(c, y, x, 1, 2, w, b, 0);
  assert_within(y, (double[]){-9.5, 100.25}, 2, 0, "layer norm by hand");
  gm_rms_norm(c, y, z, 1, 2, w, 0);
  assert_within(y, (double[]){2, 140}, 2, 1e-5, "RMS norm by hand");
  /* Variance 1 + eps 3: the deviation counts as 2. */
  gm_layer_norm(c, y, x, 1, 2, w, b, 3);
  assert_within(y, (double[]){-4.5, 50.25}, 2, 1e-5, "layer norm with eps by hand");
  /* Groups of neighbouring channels, one position: {1, 3} and {7, 1}. */
  float m[] = {1, 3, 7, 1}, mw[] = {1, 1, 1, 1}, mb[] = {0, 0, 0, 0};
  assert_ok(gm_group_norm(c, m, 1, 1, 4, 2, mw, mb, 0, true, NULL), c->err);
  assert_within(m, (double[]){0, 1, 1, 0}, 4, 1e-6, "group norm by hand");
  compute_close(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layer_norm),    cmocka_unit_test(test_rms_norm),
      cmocka_unit_test(test_group_norm),    cmocka_unit_test(test_group_norm_far_from_zero),
      cmocka_unit_test(test_norms_by_hand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
