/* test_conv_bwd.c - 3x3 convolution that learns: the forward and every gradient against a plain
 * f64 forward and its differences, and the same bits for any number of threads. */
#include "gradient_check.h"

#include "ops_bwd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct conv {
  size_t b, h, w, ci, co;
  gm_tensor weight;
  float *x, *dy, *bias;
  void *bytes;                   /* of the weight */
  double *xd, *dyd, *wd, *biasd; /* the same in f64; the loss reads them */
} conv;

static size_t n_in(const conv *v) {
  return v->b * v->h * v->w * v->ci;
}

static size_t n_out(const conv *v) {
  return v->b * v->h * v->w * v->co;
}

static void make_conv(conv *v, gm_type type) {
  const gm_type_traits *traits = gm_type_traits_of(type);
  gm_rng rng = {v->h * 31 + v->ci};
  size_t n = 9 * v->co * v->ci;
  float *w = random_floats(&rng, n, -0.5F, 0.5F);
  v->weight = (gm_tensor){.type = type,
                          .n_dims = 4,
                          .shape = {3, 3, v->co, v->ci},
                          .row_bytes = gm_type_row_bytes(type, v->ci)};
  v->weight.data = v->bytes = malloc(9 * v->co * v->weight.row_bytes);
  assert_non_null(v->bytes);
  traits->from_float(v->bytes, w, n);
  traits->to_float(w, v->bytes, n);
  v->x = random_floats(&rng, n_in(v), -0.5F, 0.5F);
  v->dy = random_floats(&rng, n_out(v), -0.5F, 0.5F);
  v->bias = random_floats(&rng, v->co, -0.5F, 0.5F);
  v->xd = as_doubles(v->x, n_in(v)), v->dyd = as_doubles(v->dy, n_out(v));
  v->wd = as_doubles(w, n), v->biasd = as_doubles(v->bias, v->co);
  free(w);
}

static void free_conv(conv *v) {
  free(v->bytes), free(v->x), free(v->dy), free(v->bias);
  free(v->xd), free(v->dyd), free(v->wd), free(v->biasd);
}

static double y_at(const conv *v, size_t map, size_t row, size_t column, size_t o) {
  double sum = v->biasd[o];
  for (size_t tap = 0; tap < 9; tap++) {
    size_t r = row + tap / 3, c = column + tap % 3; /* of a map with a border of one */
    if (r == 0 || r > v->h || c == 0 || c > v->w) continue;
    const double *x = v->xd + ((map * v->h + r - 1) * v->w + c - 1) * v->ci;
    const double *w = v->wd + (tap * v->co + o) * v->ci;
    for (size_t i = 0; i < v->ci; i++) sum += x[i] * w[i];
  }
  return sum;
}

static void forward(const conv *v, double *y) {
  for (size_t map = 0; map < v->b; map++)
    for (size_t p = 0; p < v->h * v->w; p++)
      for (size_t o = 0; o < v->co; o++)
        y[(map * v->h * v->w + p) * v->co + o] = y_at(v, map, p / v->w, p % v->w, o);
}

static double loss(void *user) {
  const conv *v = user;
  double *y = malloc(n_out(v) * sizeof *y), sum = 0;
  assert_non_null(y);
  forward(v, y);
  for (size_t i = 0; i < n_out(v); i++) sum += y[i] * v->dyd[i];
  free(y);
  return sum;
}

typedef struct pass {
  const conv *v;
  bool add;
} pass;

/* out: y, then dx. */
static void run_conv(const gm_training *t, void *arg, float *out) {
  const pass *p = arg;
  const conv *v = p->v;
  gm_error err = {0};
  t->c->err = &err;
  assert_ok(gm_conv3x3_train(t, &v->weight, v->bias, v->x, v->b, v->h, v->w, out), &err);
  assert_ok(gm_conv3x3_back(t, &v->weight, v->bias, v->x, v->dy, v->b, v->h, v->w,
                            out + n_out(v), p->add),
            &err);
  t->c->err = NULL;
}

static void check_conv(gm_type type, const gm_kernels *kernels, size_t b, size_t h, size_t w,
                       size_t ci, size_t co, bool add) {
  conv v = {.b = b, .h = h, .w = w, .ci = ci, .co = co};
  make_conv(&v, type);
  bool learns = type == GM_TYPE_F32;
  size_t n_w = learns ? 9 * co * ci : 0, n_bias = learns ? co : 0;
  learned_array arrays[] = {{v.bytes, n_w}, {v.bias, n_bias}};
  size_t n = n_out(&v) + n_in(&v);
  float *initial = zeros(n);
  for (size_t i = 0; i < n_in(&v); i++) initial[n_out(&v) + i] = v.x[i];
  pass p = {&v, add};
  char what[96];
  (void)snprintf(what, sizeof what, "%s %s %zu maps %zu x %zu, %zu to %zu", kernels->name,
                 gm_type_traits_of(type)->name, b, h, w, ci, co);
  float *got = run_training(kernels, run_conv, &p, arrays, learns ? 2 : 0, initial, n, what);

  /* Terms are below 1/4. A sum of n of them is below n / 4 and is rounded n times, and the
   * largest looked at is above a quarter of a term's size, or `least` says so. */
  size_t longest = b * h * w > 9 * ci ? b * h * w : 9 * ci;
  longest = longest > 9 * co ? longest : 9 * co;
  size_t sampled = n_out(&v) < 2000 ? 40 : 3;
  double units = (double)longest + 2, least = 0.25 * (double)longest;
  double *want = malloc(n_out(&v) * sizeof *want);
  assert_non_null(want);
  forward(&v, want);
  assert_within(got, want, n_out(&v), units * UNIT * (least + 0.5), what);
  free(want);
  float *dx = got + n_out(&v);
  if (add) /* exact up to one more rounding of a number below least */
    for (size_t i = 0; i < n_in(&v); i++) dx[i] -= v.x[i];
  assert_gradient(loss, &v, v.xd, dx, n_in(&v), sampled, units + 2, least, what);
  if (learns) {
    assert_gradient(loss, &v, v.wd, dx + n_in(&v), n_w, sampled, units, least, what);
    assert_gradient(loss, &v, v.biasd, dx + n_in(&v) + n_w, co, 5, units, least, what);
  }
  free(initial), free(got);
  free_conv(&v);
}

static void gradients(void **state) {
  (void)state;
  const gm_kernels *best = gm_kernels_best();
  check_conv(GM_TYPE_F32, best, 1, 1, 1, 1, 1, false);
  check_conv(GM_TYPE_F32, best, 1, 6, 5, 7, 3, true);
  check_conv(GM_TYPE_F32, best, 3, 2, 3, 5, 18, false);
  check_conv(GM_TYPE_F32, best, 2, 9, 1, 33, 4, true);
  check_conv(GM_TYPE_F16, best, 1, 4, 7, 9, 6, false);
  check_conv(GM_TYPE_Q8_0, best, 2, 5, 4, 32, 11, true);
}

static void gradients_of_all_kernels(void **state) {
  (void)state;
  const gm_kernels *kernels;
  for (size_t i = 0; (kernels = gm_kernels_at(i)); i++)
    check_conv(GM_TYPE_F32, kernels, 2, 5, 6, 19, 13, false);
}

/* Large enough to be shared among threads: by Winograd's algorithm, and with too few channels
 * for it, by taps. Winograd's errors are below 1e-6 of the largest output (conv_winograd.c),
 * and what is allowed here is more than 1e-5 of it. */
static void larger_maps(void **state) {
  (void)state;
  check_conv(GM_TYPE_Q8_0, gm_kernels_best(), 1, 5, 6, 32, 33, true);
  check_conv(GM_TYPE_F32, gm_kernels_best(), 1, 28, 29, 31, 31, false);
  check_conv(GM_TYPE_F32, gm_kernels_best(), 1, 17, 15, 48, 40, false);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gradients),
                                     cmocka_unit_test(gradients_of_all_kernels),
                                     cmocka_unit_test(larger_maps)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
