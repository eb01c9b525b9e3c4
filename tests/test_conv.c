/* test_conv.c - gm_conv3x3 against the sum over taps in double precision, and by hand. */
#include "ops_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct conv_case {
  size_t b, h, w, ci, co;
  const float *x, *bias;
  const gm_tensor *weight;
} conv_case;

static void run_conv(gm_compute *c, void *arg, float *out) {
  const conv_case *k = arg;
  assert_ok(gm_conv3x3(c, out, k->x, k->b, k->h, k->w, k->weight, k->bias), c->err);
}

/* w: the weights as floats. */
static void expect_conv(const conv_case *k, const float *w, double *want) {
  for (size_t p = 0; p < k->b * k->h * k->w; p++) {
    size_t map = p / (k->h * k->w), y = p / k->w % k->h, x = p % k->w;
    for (size_t o = 0; o < k->co; o++) {
      double sum = k->bias ? (double)k->bias[o] : 0;
      for (size_t tap = 0; tap < 9; tap++) {
        size_t row = y + tap / 3 - 1, column = x + tap % 3 - 1; /* wraps where outside */
        if (row >= k->h || column >= k->w) continue;
        const float *in = k->x + ((map * k->h + row) * k->w + column) * k->ci;
        for (size_t i = 0; i < k->ci; i++)
          sum += (double)in[i] * (double)w[(tap * k->co + o) * k->ci + i];
      }
      want[p * k->co + o] = sum;
    }
  }
}

static void check_conv(size_t b, size_t h, size_t w, size_t ci, size_t co, bool biased) {
  gm_rng rng = {b + 10 * h + 100 * w};
  size_t n = b * h * w * co;
  float *x = random_floats(&rng, b * h * w * ci, -1, 1);
  float *weights = random_floats(&rng, 9 * co * ci, -1, 1);
  float *bias = random_floats(&rng, co, -1, 1);
  gm_tensor weight = {GM_TYPE_F32, 4, {3, 3, co, ci}, ci * sizeof *weights, weights};
  conv_case k = {b, h, w, ci, co, x, biased ? bias : NULL, &weight};
  char what[80];
  snprintf(what, sizeof what, "%zu maps of %zu x %zu, %zu -> %zu", b, h, w, ci, co);
  float *y = run_op(run_conv, &k, NULL, n, what);
  double *want = malloc(n * sizeof *want);
  assert_non_null(want);
  expect_conv(&k, weights, want);
  /* 9 ci products of at most 1, summed in any order: each of the 9 ci + 1 additions rounds a
   * sum of at most 9 ci, and typical sums are far smaller; the square of the count over 8
   * bounds what random signs can give. */
  double terms = 9 * (double)ci + 1;
  assert_within(y, want, n, UNIT * terms * fmax(terms / 8, 4), what);
  free(x), free(weights), free(bias), free(y), free(want);
}

static void test_conv_against_double(void **state) {
  (void)state;
  check_conv(1, 1, 1, 1, 1, true);
  check_conv(1, 1, 9, 3, 2, true);
  check_conv(1, 8, 1, 3, 2, false);
  check_conv(1, 13, 11, 7, 5, true);
  check_conv(3, 5, 4, 6, 3, true);
  check_conv(9, 14, 14, 16, 20, true); /* several maps to a band, and several bands */
  check_conv(1, 40, 33, 12, 9, false);
  check_conv(2, 3, 1100, 2, 3, true); /* a row longer than a band */
}

/* Block types go through int8 products: the input is rounded to 1/254 of the largest of its
 * block, the weights are taken as they are after rounding. */
static void test_conv_with_q8_0(void **state) {
  (void)state;
  enum { H = 6, W = 5, CI = 64, CO = 8, N = H * W * CO };
  gm_rng rng = {5};
  float *x = random_floats(&rng, H * W * CI, -1, 1);
  float *weights = random_floats(&rng, 9 * CO * CI, -1, 1);
  size_t row = gm_type_row_bytes(GM_TYPE_Q8_0, CI);
  unsigned char *blocks = malloc(9 * CO * row);
  assert_non_null(blocks);
  for (size_t r = 0; r < 9 * CO; r++) {
    gm_type_traits_of(GM_TYPE_Q8_0)->from_float(blocks + r * row, weights + r * CI, CI);
    gm_type_traits_of(GM_TYPE_Q8_0)->to_float(weights + r * CI, blocks + r * row, CI);
  }
  gm_tensor weight = {GM_TYPE_Q8_0, 4, {3, 3, CO, CI}, row, blocks};
  conv_case k = {1, H, W, CI, CO, x, NULL, &weight};
  float *y = run_op(run_conv, &k, NULL, N, "q8_0");
  double want[N];
  expect_conv(&k, weights, want);
  /* 576 products, each off by at most 1/254 (uniform: deviation 1/254/sqrt 3) times a weight of
   * deviation 0.58: the sum has deviation 0.58 * 0.0023 * 24 = 0.032; six of these. */
  assert_within(y, want, N, 0.19, "q8_0");
  free(x), free(weights), free(blocks), free(y);
}

/* One lit pixel spreads the kernel, mirrored, around it. */
static void test_conv_by_hand(void **state) {
  (void)state;
  gm_compute *c = compute_open(1, NULL);
  float x[12] = {0}, y[12], w[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, bias[] = {100};
  gm_tensor weight = {GM_TYPE_F32, 4, {3, 3, 1, 1}, sizeof *w, w};
  x[1 * 4 + 1] = 1; /* 3 rows of 4 */
  assert_ok(gm_conv3x3(c, y, x, 1, 3, 4, &weight, bias), c->err);
  double want[] = {109, 108, 107, 100, 106, 105, 104, 100, 103, 102, 101, 100};
  assert_within(y, want, 12, 0, "one pixel");
  compute_close(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_conv_against_double),
      cmocka_unit_test(test_conv_with_q8_0),
      cmocka_unit_test(test_conv_by_hand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
