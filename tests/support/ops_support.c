/* ops_support.c - see ops_support.h. */
#include "ops_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

gm_compute *compute_open(unsigned threads, const gm_kernels *kernels) {
  gm_compute *c = calloc(1, sizeof *c);
  assert_non_null(c);
  c->kernels = kernels ? kernels : gm_kernels_best();
  gm_error err;
  assert_ok(gm_pool_create(&c->pool, threads, &err), &err);
  return c;
}

void compute_close(gm_compute *c) {
  gm_pool_free(c->pool);
  gm_arena_free(&c->arena);
  free(c);
}

float *random_floats(gm_rng *rng, size_t n, float low, float high) {
  float *x = malloc((n ? n : 1) * sizeof *x);
  assert_non_null(x);
  for (size_t i = 0; i < n; i++) x[i] = low + (high - low) * (float)gm_rng_unit(rng);
  return x;
}

float *zeros(size_t n) {
  float *x = calloc(n ? n : 1, sizeof *x);
  assert_non_null(x);
  return x;
}

gm_tensor f32_matrix(const float *data, size_t rows, size_t cols) {
  return gm_tensor_f32(data, rows, cols);
}

void assert_within(const float *a, const double *want, size_t n, double bound,
                   const char *what) {
  size_t worst = 0;
  double largest = -1;
  for (size_t i = 0; i < n; i++) {
    double error = fabs((double)a[i] - want[i]);
    if (error <= largest) continue;
    largest = error;
    worst = i;
    if (isnan(error)) break;
  }
  if (largest <= bound) return;
  fail_msg("%s: element %zu of %zu is %.9g, wanted %.9g: off by %.3g, allowed %.3g", what,
           worst, n, (double)a[worst], want[worst], largest, bound);
}

void assert_same_bits(const float *a, const float *b, size_t n, const char *what) {
  for (size_t i = 0; i < n; i++) {
    if (memcmp(&a[i], &b[i], sizeof *a) == 0) continue;
    fail_msg("%s: element %zu of %zu is %.9g, was %.9g", what, i, n, (double)a[i],
             (double)b[i]);
  }
}

float *run_op(op_fn fn, void *arg, const float *initial, size_t n, const char *what) {
  return run_op_with(NULL, fn, arg, initial, n, what);
}

float *run_op_with(const gm_kernels *kernels, op_fn fn, void *arg, const float *initial,
                   size_t n, const char *what) {
  static const unsigned threads[] = {1, 2, 5};
  float *first = NULL;
  for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
    gm_compute *c = compute_open(threads[t], kernels);
    float *out = zeros(n);
    if (initial && n) memcpy(out, initial, n * sizeof *out);
    fn(c, arg, out);
    compute_close(c);
    if (first) {
      assert_same_bits(out, first, n, what);
      free(out);
    } else {
      first = out;
    }
  }
  return first;
}
