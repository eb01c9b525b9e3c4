/* test_adamw.c - the optimiser's inner loop against the paper's formulas in double precision.
 */
#include "ops_support.h"

#include <math.h>
#include <stdlib.h>

enum { N = 37, STEPS = 5 };

/* Five steps with gradients of both signs. The moments are sums of a few terms of the
 * gradient's size, the step is at most the rate or so in size and has some ten roundings and
 * those of the moments, about 30 units in each of 5 steps; the value, up to 2 large, is rounded
 * twice a step. Gradients are at least 0.01, so that eps and cancelled moments do not blow up
 * the error of a quotient. */
static void test_adamw(void **state) {
  (void)state;
  const double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, rate = 0.01, decay = 0.1, clip = 0.5;
  for (size_t k = 0; gm_kernels_at(k); k++) {
    gm_rng rng = {11};
    float *value = random_floats(&rng, N, -2, 2), m[N] = {0}, v[N] = {0};
    double w[N], m64[N] = {0}, v64[N] = {0};
    for (size_t i = 0; i < N; i++) w[i] = (double)value[i];
    for (int step = 1; step <= STEPS; step++) {
      float *g = random_floats(&rng, N, 0.01F, 1);
      double bias1 = 1 - pow(beta1, step), bias2 = 1 - pow(beta2, step);
      for (size_t i = 0; i < N; i++) {
        if ((i + (size_t)step) % 5 == 0) g[i] = -g[i];
        double x = (double)g[i] * clip;
        m64[i] = beta1 * m64[i] + (1 - beta1) * x;
        v64[i] = beta2 * v64[i] + (1 - beta2) * x * x;
        w[i] -= rate * decay * w[i];
        w[i] -= rate * (m64[i] / bias1) / (sqrt(v64[i] / bias2) + eps);
      }
      gm_adamw a = {.clip = (float)clip,
                    .rest1 = (float)(1 - beta1),
                    .rest2 = (float)(1 - beta2),
                    .eps = (float)eps,
                    .decay = (float)(rate * decay),
                    .step = (float)(rate / bias1),
                    .root = (float)(1 / sqrt(bias2))};
      gm_kernels_at(k)->train.adamw(value, m, v, g, &a, N);
      free(g);
    }
    assert_within(m, m64, N, 30 * UNIT, "first moment");
    assert_within(v, v64, N, 30 * UNIT * 0.005, "second moment");
    assert_within(value, w, N, STEPS * (4 * UNIT + 0.01 * 30 * UNIT), "value");
    free(value);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_adamw)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
