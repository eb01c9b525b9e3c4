/* test_norms_bwd.c - layer, RMS and group norm in training: the forward against inference's,
 * the gradients against differences of the formula in double precision. */
#include "gradient_check.h"
#include "ops_bwd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPS 1e-5F

typedef enum norm_kind { LAYER, RMS, GROUP } norm_kind;

/* Layer and RMS norm: batch 1, a group is a row. */
typedef struct norm_case {
  norm_kind kind;
  size_t batch, rows, dim, groups;
  bool relu, add;
  const float *x, *w, *b, *dy;
} norm_case;

static size_t elements(const norm_case *n) {
  return n->batch * n->rows * n->dim;
}

static size_t stats_of(const norm_case *n) {
  return 2 * (n->kind == GROUP ? n->batch * n->groups : n->rows);
}

/* out: y, then the statistics, then dx. */
static void run_norm(const gm_training *t, void *arg, float *out) {
  const norm_case *n = arg;
  float *stats = out + elements(n), *dx = stats + stats_of(n);
  for (size_t i = 0; i < elements(n); i++) dx[i] = n->add ? 3 : NAN;
  switch (n->kind) {
  case LAYER:
    gm_layer_norm_train(t, out, n->x, stats, n->rows, n->dim, n->w, n->b, EPS);
    assert_ok(
        gm_layer_norm_back(t, dx, n->add, n->x, stats, n->dy, n->rows, n->dim, n->w, n->b),
        t->c->err);
    break;
  case RMS:
    gm_rms_norm_train(t, out, n->x, stats, n->rows, n->dim, n->w, EPS);
    assert_ok(gm_rms_norm_back(t, dx, n->add, n->x, stats, n->dy, n->rows, n->dim, n->w),
              t->c->err);
    break;
  case GROUP:
    assert_ok(gm_group_norm_train(t, out, n->x, stats, n->batch, n->rows, n->dim, n->groups,
                                  n->w, n->b, EPS, n->relu),
              t->c->err);
    assert_ok(gm_group_norm_back(t, dx, n->add, n->x, out, stats, n->dy, n->batch, n->rows,
                                 n->dim, n->groups, n->w, n->b, n->relu),
              t->c->err);
    break;
  }
}

typedef struct plain_norm {
  const norm_case *n;
  double *x, *w, *b, *dy;
  const float *y; /* where ReLU lets through */
} plain_norm;

/* Group g: `runs` runs of `width` values, `step` apart, from `first` on. */
static double group_loss(const plain_norm *p, size_t first, size_t runs, size_t width,
                         size_t step) {
  double mean = 0, var = 0, count = (double)(runs * width), sum = 0;
  for (size_t i = 0; i < runs * width; i++)
    mean += p->x[first + i / width * step + i % width] / count;
  if (p->n->kind == RMS) mean = 0;
  for (size_t i = 0; i < runs * width; i++)
    var += pow(p->x[first + i / width * step + i % width] - mean, 2) / count;
  for (size_t i = 0; i < runs * width; i++) {
    size_t at = first + i / width * step + i % width, channel = at % p->n->dim;
    double y = (p->x[at] - mean) / sqrt(var + (double)EPS) * p->w[channel];
    if (p->n->kind != RMS) y += p->b[channel];
    if (!p->n->relu || p->y[at] > 0) sum += y * p->dy[at];
  }
  return sum;
}

static double norm_loss(void *user) {
  const plain_norm *p = user;
  const norm_case *n = p->n;
  double sum = 0;
  if (n->kind != GROUP) {
    for (size_t r = 0; r < n->rows; r++) sum += group_loss(p, r * n->dim, 1, n->dim, n->dim);
    return sum;
  }
  size_t width = n->dim / n->groups;
  for (size_t g = 0; g < n->batch * n->groups; g++)
    sum += group_loss(p, g / n->groups * n->rows * n->dim + g % n->groups * width, n->rows,
                      width, n->dim);
  return sum;
}

/* What inference computes, with the same kernels. */
static float *inference(const gm_kernels *kernels, const norm_case *n) {
  gm_compute *c = compute_open(1, kernels);
  float *y = zeros(elements(n));
  memcpy(y, n->x, elements(n) * sizeof *y);
  if (n->kind == LAYER) gm_layer_norm(c, y, y, n->rows, n->dim, n->w, n->b, EPS);
  if (n->kind == RMS) gm_rms_norm(c, y, y, n->rows, n->dim, n->w, EPS);
  if (n->kind == GROUP)
    assert_ok(gm_group_norm(c, y, n->batch, n->rows, n->dim, n->groups, n->w, n->b, EPS,
                            n->relu, NULL),
              c->err);
  compute_close(c);
  return y;
}

/* Values are in [-1, 3): mean 1, deviation about 1.2. Normalised values are below 3, dy w below
 * 1. Gradients by x come out of differences of three terms of about that size, each after some
 * ten roundings and a mean whose sum has chains of count / 4 terms at most (a lane of the
 * smallest vector): (64 + count / 4) units of the largest. Those of w and b are sums over all
 * rows, of terms below 3. Where `add`, 3 was there before: its rounding is another few units.
 */
static void check(const gm_kernels *kernels, norm_case n) {
  gm_rng rng = {elements(&n)};
  size_t count = elements(&n), stats = stats_of(&n);
  size_t grouped = n.kind == GROUP ? n.rows * n.dim / n.groups : n.dim;
  float *x = random_floats(&rng, count, -1, 3), *dy = random_floats(&rng, count, -1, 1);
  float *w = random_floats(&rng, n.dim, -1, 1), *b = random_floats(&rng, n.dim, -1, 1);
  n.x = x, n.w = w, n.b = b, n.dy = dy;
  learned_array learned[] = {{w, n.dim}, {b, n.dim}};
  float *out = run_training(kernels, run_norm, &n, learned, 2, NULL, 2 * count + stats, "norm");
  float *y = inference(kernels, &n), *dx = out + count + stats, *dw = dx + count;
  assert_same_bits(out, y, count, "the forward");
  for (size_t i = 0; n.add && i < count; i++) dx[i] -= 3;
  plain_norm p = {&n,
                  as_doubles(x, count),
                  as_doubles(w, n.dim),
                  as_doubles(b, n.dim),
                  as_doubles(dy, count),
                  y};
  double units = 64 + (double)grouped / 4;
  assert_gradient(norm_loss, &p, p.x, dx, count, 40, units, n.add ? 3 : 1, "by x");
  double terms = (double)(n.batch * n.rows);
  assert_gradient(norm_loss, &p, p.w, dw, n.dim, 20, units + 3 * terms, 1, "by the weight");
  if (n.kind != RMS)
    assert_gradient(norm_loss, &p, p.b, dw + n.dim, n.dim, 20, terms, 1, "by the bias");
  free(x), free(dy), free(w), free(b), free(out), free(y);
  free(p.x), free(p.w), free(p.b), free(p.dy);
}

static void test_layer_and_rms_norm(void **state) {
  (void)state;
  static const size_t shapes[][2] = {{1, 5}, {7, 16}, {7, 133}, {70, 33}, {1, 64}};
  for (size_t k = 0; gm_kernels_at(k); k++) {
    for (size_t s = 0; s < 5; s++) {
      norm_case n = {.batch = 1, .rows = shapes[s][0], .dim = shapes[s][1]};
      for (n.kind = LAYER; n.kind <= RMS; n.kind++) {
        n.add = s % 2;
        check(gm_kernels_at(k), n);
      }
    }
  }
}

static void test_group_norm(void **state) {
  (void)state;
  for (size_t k = 0; gm_kernels_at(k); k++) {
    check(gm_kernels_at(k), (norm_case){GROUP, 2, 35, 6, 3, .relu = true});
    check(gm_kernels_at(k), (norm_case){GROUP, 1, 9, 40, 8, .add = true});
    check(gm_kernels_at(k), (norm_case){GROUP, 3, 1, 34, 1, .relu = true});
  }
}

/* Only what is wanted: no gradient of x, or none of the weights. dx may be dy. */
static void test_parts(void **state) {
  (void)state;
  enum { ROWS = 40, DIM = 19, N = ROWS * DIM };
  gm_rng rng = {9};
  float *x = random_floats(&rng, N, -1, 3), *dy = random_floats(&rng, N, -1, 1);
  float *w = random_floats(&rng, DIM, -1, 1), *b = random_floats(&rng, DIM, -1, 1);
  float y[N], stats[2 * ROWS], dx[N];
  gm_training *all = training_open(1, NULL, (learned_array[]){{w, DIM}, {b, DIM}}, 2);
  gm_training *bias = training_open(1, NULL, &(learned_array){b, DIM}, 1);
  gm_training *none = training_open(1, NULL, NULL, 0);
  gm_layer_norm_train(all, y, x, stats, ROWS, DIM, w, b, EPS);
  assert_ok(gm_layer_norm_back(all, dx, false, x, stats, dy, ROWS, DIM, w, b), NULL);
  assert_ok(gm_layer_norm_back(bias, NULL, false, x, stats, dy, ROWS, DIM, w, b), NULL);
  assert_same_bits(training_gradient(bias, b), training_gradient(all, b), DIM, "bias alone");
  /* Added to what is there: twice as much, which is exact. */
  assert_ok(gm_layer_norm_back(bias, NULL, false, x, stats, dy, ROWS, DIM, w, b), NULL);
  for (size_t i = 0; i < DIM; i++)
    assert_true(training_gradient(bias, b)[i] == 2 * training_gradient(all, b)[i]);
  assert_ok(gm_layer_norm_back(none, dy, false, x, stats, dy, ROWS, DIM, w, b), NULL);
  assert_same_bits(dy, dx, N, "in place");
  training_close(all), training_close(bias), training_close(none);
  free(x), free(dy), free(w), free(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layer_and_rms_norm),
      cmocka_unit_test(test_group_norm),
      cmocka_unit_test(test_parts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
