/* test_elementwise.c - sums, gates, patches and rotary positions. */
#include "ops_support.h"

#include <math.h>
#include <stdlib.h>

typedef struct element_case {
  const float *a, *b;
  size_t rows, n;
} element_case;

static void run_add(gm_compute *c, void *arg, float *out) {
  const element_case *e = arg;
  gm_add(c, out, out, e->b, e->n);
}

static void run_silu_mul(gm_compute *c, void *arg, float *out) {
  const element_case *e = arg;
  gm_silu_mul(c, out, e->b, e->n);
}

static void test_add_and_silu_mul(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 17, 16384, 40001};
  gm_rng rng = {3};
  for (size_t s = 0; s < 5; s++) {
    size_t n = sizes[s];
    float *a = random_floats(&rng, n, -12, 12), *b = random_floats(&rng, n, -1, 1);
    element_case e = {a, b, 1, n};
    float *sum = run_op(run_add, &e, a, n, "add"),
          *gated = run_op(run_silu_mul, &e, a, n, "silu");
    for (size_t i = 0; i < n; i++) {
      double x = (double)a[i], want = x + (double)b[i];
      assert_within(&sum[i], &want, 1, UNIT * 13, "add");
      want = x / (1 + exp(-x)) * (double)b[i];
      /* exp(-x) is off by |x| + 2 units at most; then three roundings. |x| <= 12. */
      assert_within(&gated[i], &want, 1, UNIT * (18 * fabs(want) + 1e-6), "silu_mul");
    }
    free(a), free(b), free(sum), free(gated);
  }
}

static void test_patches(void **state) {
  (void)state;
  enum { SIZE = 6, PATCH = 3 };
  float pixels[3 * SIZE * SIZE], out[3 * SIZE * SIZE];
  for (size_t i = 0; i < 3 * SIZE * SIZE; i++) pixels[i] = (float)i;
  gm_compute *c = compute_open(2, NULL);
  gm_patches(c, out, pixels, SIZE, PATCH);
  compute_close(c);
  /* Patch 1 (upper right) starts at column 3; channel 2, row 1, column 2 of it is pixel
   * (2 * 6 + 1) * 6 + 3 + 2. Patch 2 is the lower left. */
  assert_within(out + 27, (double[]){3, 4, 5, 9, 10, 11, 15, 16, 17}, 9, 0, "patch 1, red");
  assert_within(out + 27 + 18 + 5, (double[]){83}, 1, 0, "patch 1, blue");
  assert_within(out + 54 + 9, (double[]){54, 55, 56, 60}, 4, 0, "patch 2, green");
}

typedef struct rope_case {
  size_t t, heads, head_dim, row, first;
} rope_case;

static void run_rope(gm_compute *c, void *arg, float *out) {
  const rope_case *r = arg;
  float *table = zeros(r->t * r->head_dim);
  gm_rope_table(c, table, r->t, r->head_dim, r->first, 10000);
  gm_rope(c, out, r->row, r->t, r->heads, r->head_dim, table);
  free(table);
}

static void test_rope(void **state) {
  (void)state;
  static const rope_case cases[] = {{5, 2, 8, 20, 0}, {33, 3, 128, 384, 1000}, {1, 1, 2, 2, 7}};
  gm_rng rng = {6};
  for (size_t s = 0; s < 3; s++) {
    rope_case r = cases[s];
    float *x = random_floats(&rng, r.t * r.row, -1, 1);
    float *y = run_op(run_rope, &r, x, r.t * r.row, "rope");
    for (size_t i = 0; i < r.t * r.heads * r.head_dim / 2; i++) {
      size_t half = r.head_dim / 2, token = i / (r.heads * half), k = i % half;
      size_t at = token * r.row + i / half % r.heads * r.head_dim + k;
      double angle = (double)(r.first + token) * pow(10000, -(double)k / (double)half);
      double a = (double)x[at], b = (double)x[at + half];
      double first = a * cos(angle) - b * sin(angle), second = b * cos(angle) + a * sin(angle);
      /* The frequency and the angle are rounded to f32: up to 2 units of an angle of up to
       * 1033, each of which turns the pair; its length is at most sqrt 2. */
      double bound = UNIT * 1.5 * (2 * (double)(r.first + r.t) + 4);
      assert_within(&y[at], &first, 1, bound, "rope, first half");
      assert_within(&y[at + half], &second, 1, bound, "rope, second half");
    }
    free(x), free(y);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_add_and_silu_mul),
      cmocka_unit_test(test_patches),
      cmocka_unit_test(test_rope),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
