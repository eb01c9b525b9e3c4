/* test_cross_entropy.c - the language model's loss and its gradient, against differences. */
#include "gradient_check.h"
#include "ops_bwd.h"

#include <math.h>
#include <stdlib.h>

typedef struct entropy_case {
  size_t rows, n, ld;
  const int32_t *targets;
  double count, loss; /* loss: what the run gave */
  double *logits;
} entropy_case;

static void run_entropy(const gm_training *t, void *arg, float *out) {
  entropy_case *e = arg;
  gm_cross_entropy(t, out, e->ld, e->rows, e->n, e->targets, e->count, &e->loss);
}

static double entropy_loss(void *user) {
  const entropy_case *e = user;
  double loss = 0;
  for (size_t r = 0; r < e->rows; r++) {
    const double *x = e->logits + r * e->ld;
    double sum = 0;
    if (e->targets[r] < 0) continue;
    for (size_t i = 0; i < e->n; i++) sum += exp(x[i]);
    loss += (log(sum) - x[e->targets[r]]) / e->count;
  }
  return loss;
}

/* Logits are within 5. A probability is off by the rounding of its exponent, up to 10, by the
 * exponential's 2 units, by a sum in chains of 1024 (ref; others are shorter) positive terms,
 * whose roundings cancel to about their square root, 32, and by the last two: 64 units. The
 * target's has 1 taken away: least is that, over count. The loss is a logarithm of such a sum
 * and exact else. */
static void check(const gm_kernels *kernels, size_t rows, size_t n) {
  gm_rng rng = {rows + n};
  entropy_case e = {.rows = rows, .n = n, .ld = n + 3, .count = (double)rows / 2};
  float *x = random_floats(&rng, rows * e.ld, -5, 5);
  int32_t *targets = malloc(rows * sizeof *targets);
  assert_non_null(targets);
  for (size_t r = 0; r < rows; r++)
    targets[r] = r % 3 == 1 ? -1 : (int32_t)(gm_rng_u64(&rng) % n);
  e.targets = targets;
  e.logits = as_doubles(x, rows * e.ld);
  float *d = run_training(kernels, run_entropy, &e, NULL, 0, x, rows * e.ld, "cross-entropy");
  double want = entropy_loss(&e);
  if (fabs(e.loss - want) > 64 * UNIT * (double)rows / e.count)
    fail_msg("the loss is %.12g, wanted %.12g", e.loss, want);
  for (size_t r = 0; r < rows; r++) {
    for (size_t i = n; i < e.ld; i++) d[r * e.ld + i] = 0; /* between rows: as it was */
    assert_gradient(entropy_loss, &e, e.logits + r * e.ld, d + r * e.ld, n, 4, 64, 1 / e.count,
                    "logits");
    if (targets[r] < 0) continue;
    assert_gradient(entropy_loss, &e, e.logits + r * e.ld + targets[r],
                    d + r * e.ld + targets[r], 1, 0, 64, 1 / e.count, "the target");
  }
  free(x), free(targets), free(e.logits), free(d);
}

static void test_cross_entropy(void **state) {
  (void)state;
  for (size_t k = 0; gm_kernels_at(k); k++) {
    check(gm_kernels_at(k), 1, 1);
    check(gm_kernels_at(k), 7, 37);
    check(gm_kernels_at(k), 2, 2500);
  }
  check(NULL, 300, 5);
}

/* Far apart: exp would overflow; the loss is the difference, the gradient -1 and 1. Two equal
 * logits: log 2, and a half each. */
static void test_by_hand(void **state) {
  (void)state;
  gm_training *t = training_open(1, NULL, NULL, 0);
  float x[] = {1000, -1000, 3, 3, 7, 7};
  double loss;
  gm_cross_entropy(t, x, 2, 1, 2, (int32_t[]){1}, 1, &loss);
  assert_true(loss == 2000);
  assert_within(x, (double[]){1, -1}, 2, UNIT, "far apart");
  gm_cross_entropy(t, x + 2, 2, 2, 2, (int32_t[]){0, -100}, 2, &loss);
  assert_true(fabs(loss - log(2) / 2) < 1e-7);
  assert_within(x + 2, (double[]){-0.25, 0.25, 0, 0}, 4, UNIT, "equal");
  training_close(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cross_entropy),
      cmocka_unit_test(test_by_hand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
