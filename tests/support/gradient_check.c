/* gradient_check.c - see gradient_check.h. */
#include "gradient_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A step from x[n] along a direction. */
typedef struct mover {
  loss_fn loss;
  void *user;
  double *x, *before; /* [n] */
  const double *along;
  size_t n;
} mover;

static double moved(const mover *m, double step) {
  for (size_t i = 0; i < m->n; i++) m->x[i] = m->before[i] + step * m->along[i];
  double f = m->loss(m->user);
  memcpy(m->x, m->before, m->n * sizeof *m->x);
  return f;
}

static double difference(const mover *m) {
  const double h = 1e-3;
  double near = moved(m, h) - moved(m, -h), far = moved(m, 2 * h) - moved(m, -2 * h);
  return (8 * near - far) / (12 * h);
}

static double difference_at(loss_fn loss, void *user, double *x) {
  double before = *x, along = 1;
  return difference(&(mover){loss, user, x, &before, &along, 1});
}

static void check_direction(loss_fn loss, void *user, double *x, const float *gradient,
                            size_t n, double bound, const char *what) {
  gm_rng rng = {n + 1};
  double *along = malloc((n ? n : 1) * sizeof *along),
         *before = malloc((n ? n : 1) * sizeof *x);
  assert_non_null(along);
  assert_non_null(before);
  double squares = 0, got = 0, sizes = 0;
  for (size_t i = 0; i < n; i++) {
    along[i] = gm_rng_unit(&rng) < 0.5 ? -1 - gm_rng_unit(&rng) : 1 + gm_rng_unit(&rng);
    squares += along[i] * along[i];
  }
  for (size_t i = 0; i < n; i++) {
    along[i] /= sqrt(squares);
    got += (double)gradient[i] * along[i];
    sizes += fabs(along[i]);
  }
  memcpy(before, x, n * sizeof *x);
  double want = difference(&(mover){loss, user, x, before, along, n});
  free(along);
  free(before);
  if (fabs(got - want) <= bound * fmax(sizes, 1)) return;
  fail_msg("%s: along a direction the gradient is %.9g, differences give %.9g: off by %.3g, "
           "allowed %.3g",
           what, got, want, fabs(got - want), bound * sizes);
}

void assert_gradient(loss_fn loss, void *user, double *x, const float *gradient, size_t n,
                     size_t sampled, double units, double least, const char *what) {
  gm_rng rng = {n};
  bool all = sampled == 0 || sampled >= n;
  size_t looks = all ? n : sampled, worst = 0;
  double largest = least, worst_error = -1, worst_difference = 0;
  for (size_t i = 0; i < looks; i++) {
    size_t at = all ? i : (size_t)(gm_rng_unit(&rng) * (double)n);
    double d = difference_at(loss, user, &x[at]), error = fabs((double)gradient[at] - d);
    largest = fmax(largest, fabs(d));
    if (error <= worst_error) continue; /* NaN goes on */
    worst_error = error;
    worst_difference = d;
    worst = at;
    if (isnan(error)) break;
  }
  double bound = units * UNIT * largest + 1e-10 * (1 + fabs(loss(user)));
  if (worst_error <= bound) {
    check_direction(loss, user, x, gradient, n, bound, what);
    return;
  }
  fail_msg("%s: the gradient of element %zu of %zu is %.9g, differences give %.9g: off by "
           "%.3g, allowed %.3g (largest %.3g)",
           what, worst, n, (double)gradient[worst], worst_difference, worst_error, bound,
           largest);
}

double *as_doubles(const float *x, size_t n) {
  double *out = malloc((n ? n : 1) * sizeof *out);
  assert_non_null(out);
  for (size_t i = 0; i < n; i++) out[i] = (double)x[i];
  return out;
}

double *away_from_zero(float *x, size_t n, float gap) {
  for (size_t i = 0; i < n; i++) x[i] += x[i] < 0 ? -gap : gap;
  return as_doubles(x, n);
}

gm_training *training_open(unsigned threads, const gm_kernels *kernels,
                           const learned_array *arrays, size_t n) {
  gm_training *t = calloc(1, sizeof *t);
  gm_learned_set *set = calloc(1, sizeof *set);
  assert_non_null(t);
  assert_non_null(set);
  set->all = calloc(n ? n : 1, sizeof *set->all);
  assert_non_null(set->all);
  set->n = n;
  for (size_t i = 0; i < n; i++)
    set->all[i] = (gm_learned){.weights = arrays[i].weights,
                               .bytes = arrays[i].n * sizeof(float),
                               .gradient = zeros(arrays[i].n)};
  gm_learned_set_sort(set);
  t->c = compute_open(threads, kernels);
  t->learned = set;
  return t;
}

const float *training_gradient(const gm_training *t, const float *weights) {
  const gm_learned *learned = gm_learned_find(t->learned, weights);
  assert_non_null(learned);
  return learned->gradient;
}

bool training_reached(const gm_training *t, const float *weights) {
  const gm_learned *learned = gm_learned_find(t->learned, weights);
  assert_non_null(learned);
  return learned->reached;
}

void training_close(gm_training *t) {
  for (size_t i = 0; i < t->learned->n; i++) free(t->learned->all[i].gradient);
  free(t->learned->all);
  free((void *)(uintptr_t)t->learned);
  compute_close(t->c);
  free(t);
}

float *run_training(const gm_kernels *kernels, training_fn fn, void *arg,
                    const learned_array *arrays, size_t n_arrays, const float *initial,
                    size_t n, const char *what) {
  float *first = NULL;
  size_t all = n;
  for (size_t i = 0; i < n_arrays; i++) all += arrays[i].n;
  for (unsigned threads = 1; threads <= 3; threads++) {
    gm_training *t = training_open(threads, kernels, arrays, n_arrays);
    float *out = zeros(all), *to = out + n;
    if (initial && n) memcpy(out, initial, n * sizeof *out);
    fn(t, arg, out);
    for (size_t i = 0; i < n_arrays; to += arrays[i++].n)
      memcpy(to, training_gradient(t, arrays[i].weights), arrays[i].n * sizeof *to);
    training_close(t);
    if (first) {
      assert_same_bits(out, first, all, what);
      free(out);
    } else {
      first = out;
    }
  }
  return first;
}
