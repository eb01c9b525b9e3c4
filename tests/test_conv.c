/* test_conv.c - gm_conv3x3 against the sum over taps in double precision, and by hand. */
#include "ops_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run_conv(gm_compute *c, void *arg, float *out) {
  gm_conv_args args = *(const gm_conv_args *)arg;
  args.y = out;
  assert_ok(gm_conv3x3(c, &args), c->err);
}

/* w: the weights as floats; before: what y held. */
static void expect_conv(const gm_conv_args *k, const float *w, const float *before,
                        double *want) {
  size_t ci = k->weight->shape[3], co = k->weight->shape[2];
  for (size_t p = 0; p < k->b * k->h * k->w; p++) {
    size_t map = p / (k->h * k->w), y = p / k->w % k->h, x = p % k->w;
    for (size_t o = 0; o < co; o++) {
      double sum = k->bias ? (double)k->bias[o] : 0;
      if (k->accumulate) sum += (double)before[p * co + o];
      for (size_t tap = 0; tap < 9; tap++) {
        size_t row = y + tap / 3 - 1, column = x + tap % 3 - 1; /* wraps if outside */
        if (row >= k->h || column >= k->w) continue;
        const float *in = k->x + ((map * k->h + row) * k->w + column) * ci;
        for (size_t i = 0; i < ci; i++)
          sum += (double)in[i] * (double)w[(tap * co + o) * ci + i];
      }
      want[p * co + o] = k->relu && sum < 0 ? 0 : sum;
    }
  }
}

typedef struct conv_case {
  size_t b, h, w, ci, co;
  bool biased, accumulate, relu;
} conv_case;

/* Sets whole squares of positions to zero, as RoIAlign does off the map. */
static void make_holes(float *x, const conv_case *k) {
  for (size_t p = 0; p < k->b * k->h * k->w; p++)
    if (p / k->w % k->h / 7 % 2 && p % k->w / 6 % 2)
      memset(x + p * k->ci, 0, k->ci * sizeof *x);
}

static void check_conv(const conv_case *k) {
  gm_rng rng = {k->b + 10 * k->h + 100 * k->w};
  size_t n = k->b * k->h * k->w * k->co;
  float *x = random_floats(&rng, k->b * k->h * k->w * k->ci, -1, 1);
  float *weights = random_floats(&rng, 9 * k->co * k->ci, -1, 1);
  float *bias = random_floats(&rng, k->co, -1, 1), *before = random_floats(&rng, n, -9, 9);
  gm_tensor weight = {.type = GM_TYPE_F32,
                      .n_dims = 4,
                      .shape = {3, 3, k->co, k->ci},
                      .row_bytes = k->ci * sizeof *weights,
                      .data = weights};
  gm_conv_args args = {.x = x,
                       .b = k->b,
                       .h = k->h,
                       .w = k->w,
                       .weight = &weight,
                       .bias = k->biased ? bias : NULL,
                       .accumulate = k->accumulate,
                       .relu = k->relu};
  char what[80];
  snprintf(what, sizeof what, "%zu maps of %zu x %zu, %zu -> %zu", k->b, k->h, k->w, k->ci,
           k->co);
  make_holes(x, k);
  float *y = run_op(run_conv, &args, before, n, what);
  double *want = malloc(n * sizeof *want);
  assert_non_null(want);
  expect_conv(&args, weights, before, want);
  /* A sum of t = 9 ci products of deviation 1/3 (and 10 more for what y held), added in any
   * order: each step rounds a partial sum of about sqrt(t) / 3, errors of random sign: t * UNIT
   * / 6 is typical, 6 times that the bound for all of up to 1e5 outputs. Winograd's transforms
   * have 3 times the error of a plain sum (winograd_points.h); 3 more for the few terms of
   * small sums. */
  double terms = 9 * (double)k->ci + 10;
  assert_within(y, want, n, UNIT * terms * 3 * 3, what);
  free(x), free(weights), free(bias), free(before), free(y), free(want);
}

static void test_conv_against_double(void **state) {
  (void)state;
  static const conv_case cases[] = {
      {1, 1, 1, 1, 1, true, false, false},
      {1, 1, 9, 3, 2, true, true, false},
      {1, 8, 1, 3, 2, false, false, true},
      {1, 13, 11, 7, 5, true, true, true},
      {3, 5, 4, 6, 3, true, false, false},
      {9, 14, 14, 16, 20, true, false, false}, /* several maps to a band, and several bands */
      {1, 40, 33, 12, 9, false, false, false},
      {2, 3, 1100, 2, 3, true, false, false}, /* a row longer than a band */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_conv(&cases[i]);
}

/* Sizes that go through Winograd's algorithm: whole squares and parts of squares, channels that
 * are no multiple of anything. */
static void test_winograd_against_double(void **state) {
  (void)state;
  static const conv_case cases[] = {
      {1, 16, 16, 32, 32, true, false, false}, {1, 13, 27, 33, 45, false, false, true},
      {5, 14, 14, 70, 40, true, true, false},  {7, 4, 5, 129, 36, true, true, true},
      {1, 41, 9, 64, 100, true, false, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_conv(&cases[i]);
}

/* All input is zero: only the bias, by either algorithm. */
static void test_conv_of_nothing(void **state) {
  (void)state;
  enum { SIDE = 12, C = 32, N = SIDE * SIDE * C };
  float *x = zeros(N), *y = zeros(N), *w = zeros(9 * C * C), bias[C];
  for (size_t i = 0; i < C; i++) bias[i] = (float)i - 16;
  for (size_t i = 0; i < 9 * C * C; i++) w[i] = 1;
  gm_tensor weight = {.type = GM_TYPE_F32,
                      .n_dims = 4,
                      .shape = {3, 3, C, C},
                      .row_bytes = C * sizeof *w,
                      .data = w};
  gm_compute *c = compute_open(2, NULL);
  gm_conv_args args = {.x = x,
                       .b = 1,
                       .h = SIDE,
                       .w = SIDE,
                       .weight = &weight,
                       .bias = bias,
                       .relu = true,
                       .y = y};
  assert_ok(gm_conv3x3(c, &args), c->err);
  for (size_t i = 0; i < N; i++) assert_true(y[i] == (i % C < 16 ? 0 : (float)(i % C) - 16));
  compute_close(c);
  free(x), free(y), free(w);
}

/* A small map's result is bit-identical alone and beside another. */
static void test_a_map_alone(void **state) {
  (void)state;
  enum { SIDE = 6, C = 32, N = SIDE * SIDE * C };
  gm_rng rng = {6};
  float *x = random_floats(&rng, 2 * N, -1, 1), *w = random_floats(&rng, 9 * C * C, -1, 1);
  float *both = zeros(2 * N), *alone = zeros(N);
  gm_tensor weight = {.type = GM_TYPE_F32,
                      .n_dims = 4,
                      .shape = {3, 3, C, C},
                      .row_bytes = C * sizeof *w,
                      .data = w};
  gm_compute *c = compute_open(2, NULL);
  gm_conv_args args = {.x = x, .b = 2, .h = SIDE, .w = SIDE, .weight = &weight, .y = both};
  assert_ok(gm_conv3x3(c, &args), c->err);
  args.b = 1;
  args.y = alone;
  assert_ok(gm_conv3x3(c, &args), c->err);
  assert_memory_equal(alone, both, N * sizeof *alone);
  compute_close(c);
  free(x), free(w), free(both), free(alone);
}

/* The best table, changed to round with all types or with none. */
static gm_kernels kernels_that(bool round) {
  gm_kernels kernels = *gm_kernels_best();
  for (int type = 0; type < GM_TYPE_COUNT; type++) kernels.rounds[type] = round;
  return kernels;
}

/* Weights of each type, small enough for the products by taps and large enough for Winograd's
 * algorithm; the expected values take the weights as they are after rounding. */
static void check_type(const gm_kernels *kernels, gm_type type, size_t side, size_t ci,
                       size_t co, double bound) {
  gm_rng rng = {side};
  size_t n = side * side * co, row = gm_type_row_bytes(type, ci);
  float *x = random_floats(&rng, side * side * ci, -1, 1);
  float *weights = random_floats(&rng, 9 * co * ci, -1, 1);
  unsigned char *blocks = malloc(9 * co * row);
  double *want = malloc(n * sizeof *want);
  assert_true(blocks && want);
  for (size_t r = 0; r < 9 * co; r++) {
    gm_type_traits_of(type)->from_float(blocks + r * row, weights + r * ci, ci);
    gm_type_traits_of(type)->to_float(weights + r * ci, blocks + r * row, ci);
  }
  gm_tensor weight = {
      .type = type, .n_dims = 4, .shape = {3, 3, co, ci}, .row_bytes = row, .data = blocks};
  gm_conv_args args = {.x = x, .b = 1, .h = side, .w = side, .weight = &weight};
  const char *what = gm_type_traits_of(type)->name;
  float *y = run_op_with(kernels, run_conv, &args, NULL, n, what);
  expect_conv(&args, weights, NULL, want);
  assert_within(y, want, n, bound, what);
  free(x), free(weights), free(blocks), free(want), free(y);
}

static void test_conv_of_types(void **state) {
  (void)state;
  static const gm_type types[] = {GM_TYPE_F16,  GM_TYPE_BF16, GM_TYPE_Q8_0,
                                  GM_TYPE_Q4_0, GM_TYPE_Q4_K, GM_TYPE_Q6_K};
  const gm_kernels rounding = kernels_that(true), exact = kernels_that(false);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    bool quantised = gm_type_traits_of(types[i])->quantised;
    /* By taps, block types use int8 products: 2304 of them, each off by at most 1/254 of the
     * input's largest value (uniform: deviation 1/254/sqrt 3) times a weight of deviation 0.58,
     * give a deviation of 0.58 * 0.0023 * 48 = 0.064; six of these. Of quads the weights have
     * steps of 4 / 125.5 at most, four of one sign being 1 each: a deviation of 0.0092, in all
     * 0.264. The rest as above. */
    bool quads = exact.matmul[types[i]]->form == GM_TILE_QUADS;
    check_type(&exact, types[i], 6, 256, 8,
               quads       ? 6 * 0.264
               : quantised ? 0.4
                           : UNIT * 2314 * 9);
    check_type(&exact, types[i], 10, 512, 40, UNIT * 4618 * 9);
    /* Rounded to bf16 in Winograd's domain: 1.14 % of the result's deviation, which is
     * sqrt(4608) / 3 = 22.6 (winograd_points.h), six times. */
    check_type(&rounding, types[i], 10, 512, 40, 22.6 * 0.0114 * 6);
  }
}

/* One lit pixel spreads the kernel, mirrored, around it. */
static void test_conv_by_hand(void **state) {
  (void)state;
  gm_compute *c = compute_open(1, NULL);
  float x[12] = {0}, y[12], w[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, bias[] = {100};
  gm_tensor weight = {.type = GM_TYPE_F32,
                      .n_dims = 4,
                      .shape = {3, 3, 1, 1},
                      .row_bytes = sizeof *w,
                      .data = w};
  x[1 * 4 + 1] = 1; /* 3 rows of 4 */
  gm_conv_args args = {.x = x, .b = 1, .h = 3, .w = 4, .weight = &weight, .bias = bias, .y = y};
  assert_ok(gm_conv3x3(c, &args), c->err);
  double want[] = {109, 108, 107, 100, 106, 105, 104, 100, 103, 102, 101, 100};
  assert_within(y, want, 12, 0, "one pixel");
  compute_close(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_conv_against_double),
      cmocka_unit_test(test_winograd_against_double),
      cmocka_unit_test(test_conv_of_nothing),
      cmocka_unit_test(test_a_map_alone),
      cmocka_unit_test(test_conv_of_types),
      cmocka_unit_test(test_conv_by_hand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
