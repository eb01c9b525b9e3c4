/* test_elementwise_bwd.c - activations, gates, LayerScale and dropout in training. */
#include "gradient_check.h"
#include "ops_bwd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Less than a vector, odd, and more than one task. */
static const size_t sizes[] = {1, 7, 50, 16400};

typedef struct element_case {
  gm_act act;
  size_t rows, n;
  const float *x, *up, *dy, *scale;
} element_case;

static double plain_act(gm_act act, double x) {
  switch (act) {
  case GM_ACT_RELU:
    return x > 0 ? x : 0;
  case GM_ACT_GELU:
    return x * 0.5 * erfc(-x / sqrt(2));
  case GM_ACT_GELU_TANH:
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
  case GM_ACT_QUICK_GELU:
    return x / (1 + exp(-1.702 * x));
  case GM_ACT_SILU:
    return x / (1 + exp(-x));
  case GM_ACT_NONE:
    break;
  }
  return x;
}

/* Of one element: its gradient depends on no other. */
typedef struct plain_element {
  gm_act act;
  double x, up, dy;
} plain_element;

static double element_loss(void *user) {
  const plain_element *e = user;
  return plain_act(e->act, e->x) * e->up * e->dy;
}

static void run_act_back(const gm_training *t, void *arg, float *out) {
  const element_case *e = arg;
  gm_act_back(t, e->act, out, e->x, out, e->n);
}

/* The slope is a sum of two terms of at most 1.2 in size; each is off by the error of an
 * exponential (2 units, and as many as its exponent is large where it is not yet negligible:
 * z e^-z < 0.4) and about ten roundings: 32 units of the largest, which is dy < 1.1. */
static void test_act(void **state) {
  (void)state;
  gm_rng rng = {1};
  for (size_t k = 0; gm_kernels_at(k); k++) {
    for (gm_act act = GM_ACT_NONE; act <= GM_ACT_SILU; act++) {
      for (size_t s = 0; s < 4; s++) {
        size_t n = sizes[s];
        float *x = random_floats(&rng, n, -9, 9), *dy = random_floats(&rng, n, -1, 1);
        free(away_from_zero(x, n, 0.01F));
        element_case e = {.act = act, .n = n, .x = x};
        float *dx =
            run_training(gm_kernels_at(k), run_act_back, &e, NULL, 0, dy, n, "act back");
        for (size_t i = 0; i < n; i += 1 + n / 100) {
          plain_element p = {act, (double)x[i], 1, (double)dy[i]};
          assert_gradient(element_loss, &p, &p.x, dx + i, 1, 0, 32, 1, "act back");
        }
        free(x), free(dy), free(dx);
      }
    }
  }
}

/* Where the slope has long been 0 or 1, and at 0. */
static void test_act_far_out(void **state) {
  (void)state;
  static const float at[] = {-INFINITY, -1e20F, -1000, -89, 0, 89, 1000, 1e20F, INFINITY};
  for (size_t k = 0; gm_kernels_at(k); k++) {
    gm_training *t = training_open(1, gm_kernels_at(k), NULL, 0);
    for (gm_act act = GM_ACT_RELU; act <= GM_ACT_SILU; act++) {
      float dx[9], dy[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
      gm_act_back(t, act, dx, at, dy, 9);
      double at_zero = act == GM_ACT_RELU ? 0 : 0.5;
      double want[] = {0, 0, 0, 0, at_zero, 1, 1, 1, 1};
      assert_within(dx, want, 9, 4 * UNIT, "slope");
    }
    training_close(t);
  }
}

static void run_act(const gm_training *t, void *arg, float *out) {
  const element_case *e = arg;
  gm_act_train(t, e->act, out, out, e->n);
}

/* As in inference: |x| + 4 units of an exponent's error and of rounding, |x| <= 9. */
static void test_act_forward(void **state) {
  (void)state;
  gm_rng rng = {2};
  for (gm_act act = GM_ACT_NONE; act <= GM_ACT_SILU; act++) {
    size_t n = 16400;
    float *x = random_floats(&rng, n, -9, 9);
    double *want = as_doubles(x, n);
    for (size_t i = 0; i < n; i++) want[i] = plain_act(act, want[i]);
    element_case e = {.act = act, .n = n};
    float *y = run_training(NULL, run_act, &e, NULL, 0, x, n, "act");
    assert_within(y, want, n, 16 * 9 * UNIT, "act");
    free(x), free(y), free(want);
  }
}

/* out: gate's gradient, up's gradient. */
static void run_silu_mul_back(const gm_training *t, void *arg, float *out) {
  const element_case *e = arg;
  memcpy(out, e->x, e->n * sizeof *out);
  memcpy(out + e->n, e->dy, e->n * sizeof *out);
  gm_silu_mul_back(t, out, out + e->n, out, e->up, out + e->n, e->n);
}

static void run_silu_mul(const gm_training *t, void *arg, float *out) {
  const element_case *e = arg;
  gm_silu_mul_train(t, out, e->x, e->up, e->n);
}

static void test_silu_mul(void **state) {
  (void)state;
  gm_rng rng = {3};
  for (size_t k = 0; gm_kernels_at(k); k++) {
    for (size_t s = 0; s < 4; s++) {
      size_t n = sizes[s];
      float *x = random_floats(&rng, n, -9, 9), *up = random_floats(&rng, n, -1, 1);
      float *dy = random_floats(&rng, n, -1, 1);
      element_case e = {.n = n, .x = x, .up = up, .dy = dy};
      float *d = run_training(gm_kernels_at(k), run_silu_mul_back, &e, NULL, 0, NULL, 2 * n,
                              "silu_mul back");
      float *y = run_training(gm_kernels_at(k), run_silu_mul, &e, NULL, 0, NULL, n, "silu_mul");
      for (size_t i = 0; i < n; i += 1 + n / 100) {
        plain_element p = {GM_ACT_SILU, (double)x[i], (double)up[i], (double)dy[i]};
        /* As for activations; silu is up to 9 large and its exponent's error too. */
        assert_gradient(element_loss, &p, &p.x, d + i, 1, 0, 40, 1, "gate");
        assert_gradient(element_loss, &p, &p.up, d + n + i, 1, 0, 20, 9, "up");
        double want = plain_act(GM_ACT_SILU, p.x) * p.up;
        assert_within(y + i, &want, 1, 20 * 9 * UNIT, "silu_mul");
      }
      free(x), free(up), free(dy), free(d), free(y);
    }
  }
}

typedef struct plain_scale {
  size_t rows, dim;
  double *x, *scale, *dy;
} plain_scale;

static double scale_loss(void *user) {
  const plain_scale *s = user;
  double sum = 0;
  for (size_t i = 0; i < s->rows * s->dim; i++)
    sum += s->x[i] * s->scale[i % s->dim] * s->dy[i];
  return sum;
}

static void run_scale_back(const gm_training *t, void *arg, float *out) {
  const element_case *e = arg;
  assert_ok(gm_scale_back(t, out, e->x, out, e->rows, e->n, e->scale), t->c->err);
}

static void run_scale(const gm_training *t, void *arg, float *out) {
  const element_case *e = arg;
  gm_scale_train(t, out, out, e->rows, e->n, e->scale);
}

static void test_scale(void **state) {
  (void)state;
  static const size_t shapes[][2] = {{1, 1}, {7, 19}, {70, 33}};
  gm_rng rng = {4};
  for (size_t s = 0; s < 3; s++) {
    size_t rows = shapes[s][0], dim = shapes[s][1], n = rows * dim;
    float *x = random_floats(&rng, n, -1, 1), *scale = random_floats(&rng, dim, -1, 1);
    float *dy = random_floats(&rng, n, -1, 1);
    element_case e = {.rows = rows, .n = dim, .x = x, .scale = scale};
    learned_array learned = {scale, dim};
    float *d = run_training(NULL, run_scale_back, &e, &learned, 1, dy, n, "scale back");
    float *y = run_training(NULL, run_scale, &e, NULL, 0, x, n, "scale");
    plain_scale p = {rows, dim, as_doubles(x, n), as_doubles(scale, dim), as_doubles(dy, n)};
    assert_gradient(scale_loss, &p, p.x, d, n, 60, 1, 0, "scale's input");
    /* A sum of as many terms as rows, none above 1. */
    assert_gradient(scale_loss, &p, p.scale, d + n, dim, 60, (double)rows, 1, "scale");
    for (size_t i = 0; i < n; i++) {
      double want = p.x[i] * p.scale[i % dim];
      assert_within(y + i, &want, 1, UNIT, "scale forward");
    }
    free(x), free(scale), free(dy), free(d), free(y), free(p.x), free(p.scale), free(p.dy);
  }
}

static void run_dropout(const gm_training *t, void *arg, float *out) {
  const gm_training *wanted = arg;
  gm_training with = *t;
  with.dropout = wanted->dropout;
  with.drop_key = wanted->drop_key;
  gm_dropout(&with, 5, out, 40000);
}

static void test_dropout(void **state) {
  (void)state;
  enum { N = 40000 };
  gm_training wanted = {.dropout = 0.1F, .drop_key = 77}, other = wanted, none = {0};
  other.drop_key = 78;
  float *ones = zeros(N);
  for (size_t i = 0; i < N; i++) ones[i] = 1;
  float *a = run_training(NULL, run_dropout, &wanted, NULL, 0, ones, N, "dropout");
  float *b = run_training(NULL, run_dropout, &other, NULL, 0, ones, N, "dropout");
  float *c = run_training(NULL, run_dropout, &none, NULL, 0, ones, N, "no dropout");
  assert_same_bits(c, ones, N, "no dropout");
  size_t dropped = 0, both = 0, neighbours = 0;
  for (size_t i = 0; i < N; i++) {
    assert_true(a[i] == 0 || a[i] == 1 / (1 - 0.1F));
    dropped += a[i] == 0;
    both += a[i] == 0 && b[i] == 0;
    neighbours += i > 0 && a[i] == 0 && a[i - 1] == 0;
  }
  /* Binomial: 4000 +- 60 dropped, and 400 +- 20 where both of two independent ones are; five
   * deviations. */
  assert_in_range(dropped, 3700, 4300);
  assert_in_range(both, 300, 500);
  assert_in_range(neighbours, 300, 500);
  /* Another place in the same step; and the mask is its own backward. */
  gm_training *t = training_open(1, NULL, NULL, 0);
  t->dropout = 0.1F;
  t->drop_key = 77;
  float *d = zeros(N), *e = zeros(N);
  memcpy(d, ones, N * sizeof *d);
  memcpy(e, ones, N * sizeof *e);
  gm_dropout(t, 6, d, N);
  gm_dropout(t, 5, e, N);
  assert_same_bits(e, a, N, "the same place again");
  both = 0;
  for (size_t i = 0; i < N; i++) both += a[i] == 0 && d[i] == 0;
  assert_in_range(both, 300, 500);
  training_close(t);
  free(ones), free(a), free(b), free(c), free(d), free(e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_act),         cmocka_unit_test(test_act_far_out),
      cmocka_unit_test(test_act_forward), cmocka_unit_test(test_silu_mul),
      cmocka_unit_test(test_scale),       cmocka_unit_test(test_dropout),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
