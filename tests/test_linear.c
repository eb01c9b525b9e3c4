/* test_linear.c - gm_linear and gm_get_rows as a whole: cuts, tails, several outputs, and that
 * results do not depend on threads or on the numbers of rows and columns. */
#include "ops.h"
#include "rng.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct matrix {
  gm_tensor tensor;
  float *values; /* [n, k] as the weights stand for */
  void *bytes;
} matrix;

static matrix make_matrix(gm_type type, size_t n, size_t k, uint64_t seed) {
  matrix a = {.tensor = {.type = type,
                         .n_dims = 2,
                         .shape = {n, k, 1, 1},
                         .row_bytes = gm_type_row_bytes(type, k)}};
  gm_rng rng = {seed};
  a.values = malloc(n * k * sizeof(float));
  a.bytes = aligned_alloc(64, (n * a.tensor.row_bytes + 63) / 64 * 64);
  assert_true(a.values && a.bytes);
  const gm_type_traits *traits = gm_type_traits_of(type);
  for (size_t i = 0; i < n * k; i++) a.values[i] = (float)(gm_rng_unit(&rng) - 0.5);
  for (size_t j = 0; j < n; j++) {
    void *row = (char *)a.bytes + j * a.tensor.row_bytes;
    traits->from_float(row, a.values + j * k, k);
    traits->to_float(a.values + j * k, row, k);
  }
  a.tensor.data = a.bytes;
  return a;
}

static void free_matrix(matrix *a) {
  free(a->values);
  free(a->bytes);
}

static float *random_floats(size_t n, uint64_t seed) {
  gm_rng rng = {seed};
  float *x = malloc(n * sizeof(float));
  assert_non_null(x);
  for (size_t i = 0; i < n; i++) x[i] = (float)(gm_rng_unit(&rng) - 0.5);
  return x;
}

enum { MOST_STEPS = 40 }; /* more rows than ever decode together */

static gm_compute make_compute(unsigned threads, gm_error *err) {
  gm_compute c = {.kernels = gm_kernels_best(), .err = err};
  if (threads > 0) assert_ok(gm_pool_create(&c.pool, threads, err), err);
  return c;
}

static void free_compute(gm_compute *c) {
  gm_pool_free(c->pool);
  gm_arena_free(&c->arena);
}

static void check_linear(gm_type type, gm_way way, size_t m, size_t n, size_t k) {
  gm_error err = {0};
  gm_compute c = make_compute(2, &err);
  c.way = way;
  matrix w = make_matrix(type, n, k, m + n);
  size_t ldx = k + 8, ldy = n + 1;
  float *x = random_floats(m * ldx, 3), *y = random_floats(m * ldy, 4);
  float *want = malloc(m * n * sizeof(float)), *got = malloc(m * n * sizeof(float));
  float *bias = random_floats(n, 5), *scale = random_floats(n, 6);
  assert_true(want && got);
  for (size_t r = 0; r < m; r++)
    for (size_t j = 0; j < n; j++) {
      double sum = (double)bias[j];
      for (size_t i = 0; i < k; i++)
        sum += (double)x[r * ldx + i] * (double)w.values[j * k + i];
      sum = sum > 0 ? sum : 0;
      want[r * n + j] = (float)(sum * (double)scale[j] + (double)y[r * ldy + j]);
    }
  gm_linear_out out = {.w = &w.tensor,
                       .bias = bias,
                       .act = GM_ACT_RELU,
                       .scale = scale,
                       .accumulate = true,
                       .y = y,
                       .ldy = ldy};
  assert_ok(gm_linear(&c, x, ldx, m, &out, 1), &err);
  for (size_t r = 0; r < m; r++) memcpy(got + r * n, y + r * ldy, n * sizeof(float));
  /* Rounding activations to int8: each of k terms is off by at most 0.5 / 127 of |x| <= 0.5
   * times |w| <= 0.5, at random, so sqrt(k) of them by far more than six deviations of a
   * uniform error; the largest result is near 0.25 * sqrt(k). f32 is off by 1e-5 at most.
   * Rounding both factors to bf16: a term, 1 / 12 in the mean square, loses 2^-9 / sqrt(3) of
   * either, in all 1.3e-4 * sqrt(k); six of these times the largest scale are 4e-4 * sqrt(k),
   * and the largest of some hundred results is above 0.1 * sqrt(k). */
  bool quantised = gm_type_traits_of(type)->quantised;
  bool rounded = !quantised && c.kernels->rounds[type] && way == GM_WAY_READ;
  char what[96];
  (void)snprintf(what, sizeof what, "%s way %d m %zu n %zu k %zu",
                 gm_type_traits_of(type)->name, (int)way, m, n, k);
  assert_close(got, want, m * n, quantised ? 0.02 : rounded ? 0.005 : 1e-5, what);
  free(x), free(y), free(want), free(got), free(bias), free(scale);
  free_matrix(&w);
  free_compute(&c);
}

static void check_both(gm_type type, size_t m, size_t n, size_t k) {
  check_linear(type, GM_WAY_READ, m, n, k);
  if (m <= MOST_STEPS) check_linear(type, GM_WAY_STEP, m, n, k);
}

static void linear_shapes(void **state) {
  (void)state;
  static const size_t shapes[][3] = {{1, 5, 256},    {3, 130, 512},  {8, 70, 256},
                                     {9, 33, 256},   {40, 257, 768}, {515, 40, 256},
                                     {1030, 9, 256}, {13, 70, 11008}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    static const gm_type types[] = {GM_TYPE_F32,  GM_TYPE_F16,  GM_TYPE_BF16, GM_TYPE_Q8_0,
                                    GM_TYPE_Q4_0, GM_TYPE_Q4_K, GM_TYPE_Q6_K};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
      check_both(types[t], shapes[i][0], shapes[i][1], shapes[i][2]);
  }
  check_both(GM_TYPE_F32, 1, 1, 1);
  check_both(GM_TYPE_F32, 12, 3, 7);
  check_both(GM_TYPE_F16, 65, 67, 1027);
  check_both(GM_TYPE_Q8_0, 11, 8, 32);
}

/* Bit-identical: the same product with 1, 2 and 5 threads, and rows alone. */
static void check_bits(gm_way way) {
  static const gm_type types[] = {GM_TYPE_F32,  GM_TYPE_F16,  GM_TYPE_Q8_0,
                                  GM_TYPE_Q4_0, GM_TYPE_Q4_K, GM_TYPE_Q6_K};
  enum { M = 70, N = 150, K = 1280 };
  gm_error err = {0};
  for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
    matrix w = make_matrix(types[t], N, K, t);
    float *x = random_floats(M * K, 9), *y = random_floats(M * N, 1);
    float *other = random_floats(M * N, 2);
    gm_linear_out out = {.w = &w.tensor, .y = y, .ldy = N};
    gm_linear_out again = {.w = &w.tensor, .y = other, .ldy = N};
    gm_compute one = make_compute(0, &err);
    one.way = way;
    assert_ok(gm_linear(&one, x, K, M, &out, 1), &err);
    for (unsigned threads = 2; threads <= 5; threads += 3) {
      gm_compute c = make_compute(threads, &err);
      c.way = way;
      assert_ok(gm_linear(&c, x, K, M, &again, 1), &err);
      assert_memory_equal(y, other, M * N * sizeof(float));
      free_compute(&c);
    }
    assert_ok(gm_linear(&one, x + 21 * K, K, GM_GEMV_ROWS + 1, &again, 1), &err);
    assert_memory_equal(y + 21 * N, other, (GM_GEMV_ROWS + 1) * N * sizeof(float));
    for (size_t r = 0; r < M; r += 6) {
      assert_ok(gm_linear(&one, x + r * K, K, 1, &again, 1), &err);
      assert_memory_equal(y + r * N, other, N * sizeof(float));
    }
    free(x), free(y), free(other);
    free_matrix(&w);
    free_compute(&one);
  }
}

static void same_bits(void **state) {
  (void)state;
  check_bits(GM_WAY_READ);
  check_bits(GM_WAY_STEP);
}

/* A product of 40 rows and columns. Any number of its rows and columns alone is bit-identical
 * and does not write beside the result. */
typedef struct whole_product {
  gm_compute *c;
  const matrix *w;
  const float *x, *y; /* [SIDE, k], [SIDE, SIDE] */
  size_t k;
} whole_product;

enum { SIDE = 40 };

/* The first m rows with the first n columns, each operand at the end of its memory. */
static void check_part(const whole_product *p, size_t m, size_t n) {
  size_t ldx = p->k + 3, ldy = n + m % 4, row_bytes = p->w->tensor.row_bytes;
  float *x = malloc(((m - 1) * ldx + p->k) * sizeof *x);
  float *y = malloc(((m - 1) * ldy + n) * sizeof *y);
  void *bytes = malloc(n * row_bytes);
  assert_true(x && y && bytes);
  for (size_t i = 0; i < (m - 1) * ldx + p->k; i++) x[i] = NAN;
  for (size_t r = 0; r < m; r++) memcpy(x + r * ldx, p->x + r * p->k, p->k * sizeof *x);
  for (size_t i = 0; i < (m - 1) * ldy + n; i++) y[i] = 12345;
  memcpy(bytes, p->w->bytes, n * row_bytes);
  gm_tensor w = gm_tensor_slice(&p->w->tensor, 0, n);
  w.data = bytes;
  gm_linear_out out = {.w = &w, .y = y, .ldy = ldy};
  assert_ok(gm_linear(p->c, x, ldx, m, &out, 1), p->c->err);
  for (size_t r = 0; r < m; r++) {
    if (memcmp(y + r * ldy, p->y + r * SIDE, n * sizeof *y) != 0)
      fail_msg("%s%s %s k %zu: row %zu of %zu x %zu differs from the same of %d x %d",
               p->c->kernels->name, p->c->kernels->features, gm_type_traits_of(w.type)->name,
               p->k, r, m, n, SIDE, SIDE);
    for (size_t j = n; j < ldy && r + 1 < m; j++) assert_true(y[r * ldy + j] == 12345);
  }
  free(x), free(y), free(bytes);
}

/* Compares with f64, within the rounding of both factors (see check_linear). */
static void check_whole(const whole_product *p) {
  gm_type type = p->w->tensor.type;
  bool rounds = p->c->way == GM_WAY_READ && p->c->kernels->rounds[type];
  bool exact = !gm_type_traits_of(type)->quantised && !rounds;
  float want[SIDE * SIDE];
  for (size_t r = 0; r < SIDE; r++)
    for (size_t j = 0; j < SIDE; j++) {
      double sum = 0;
      for (size_t i = 0; i < p->k; i++)
        sum += (double)p->x[r * p->k + i] * (double)p->w->values[j * p->k + i];
      want[r * SIDE + j] = (float)sum;
    }
  assert_close(p->y, want, SIDE * SIDE, exact ? 1e-5 : 0.02, gm_type_traits_of(type)->name);
}

/* Computes all rows of n columns. */
static void compute_whole(const whole_product *p, float *y, size_t n) {
  gm_tensor w = gm_tensor_slice(&p->w->tensor, 0, n);
  gm_linear_out out = {.w = &w, .y = y, .ldy = SIDE};
  assert_ok(gm_linear(p->c, p->x, p->k, SIDE, &out, 1), p->c->err);
}

/* ---- low-rank pairs ---- */

enum { PAIR_M = 21, PAIR_N = 70, PAIR_K = 256, PAIR_RANK = 5 };

static double activate(gm_act act, double v) {
  switch (act) {
  case GM_ACT_RELU:
    return v > 0 ? v : 0;
  case GM_ACT_GELU:
    return v * 0.5 * erfc(-v / sqrt(2));
  case GM_ACT_GELU_TANH:
    return v / (1 + exp(-2 * sqrt(2 / acos(-1)) * (v + 0.044715 * v * v * v)));
  case GM_ACT_QUICK_GELU:
    return v / (1 + exp(-1.702 * v));
  case GM_ACT_SILU:
    return v / (1 + exp(-v));
  default:
    return v;
  }
}

static double dot(const float *a, const float *b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
  return sum;
}

/* Rows [first, first + n) of w with their rows of b, beside a product without a pair: bias,
 * activation and scale come after the pair. Then rows alone, which are bit-identical. */
static void check_pair(gm_type type, gm_way way, gm_act act, size_t first, size_t n) {
  gm_error err = {0};
  gm_compute c = make_compute(2, &err);
  c.way = way;
  matrix w = make_matrix(type, PAIR_N, PAIR_K, 1), plain = make_matrix(type, 9, PAIR_K, 2);
  float *x = random_floats(PAIR_M * PAIR_K, 3), *bias = random_floats(n, 4);
  float *a = random_floats(PAIR_RANK * PAIR_K, 5), *b = random_floats(PAIR_N * PAIR_RANK, 6);
  float *y = random_floats(PAIR_M * n, 7), *alone = random_floats(PAIR_M * n, 7);
  float *scale = random_floats(n, 8), *want = malloc(PAIR_M * n * sizeof *want);
  float *beside = random_floats(PAIR_M * 9, 9);
  assert_non_null(want);
  const gm_pair pair = {PAIR_RANK, a, b, w.bytes};
  w.tensor.pair = &pair;
  const gm_tensor part = gm_tensor_slice(&w.tensor, first, n);
  for (size_t r = 0; r < PAIR_M; r++)
    for (size_t j = 0; j < n; j++) {
      const float *row = x + r * PAIR_K;
      double v = (double)bias[j] + dot(row, w.values + (first + j) * PAIR_K, PAIR_K);
      for (size_t i = 0; i < PAIR_RANK; i++)
        v += dot(row, a + i * PAIR_K, PAIR_K) * (double)b[(first + j) * PAIR_RANK + i];
      want[r * n + j] = (float)(activate(act, v) * (double)scale[j] + (double)y[r * n + j]);
    }
  gm_linear_out outs[2] = {{.w = &plain.tensor, .y = beside, .ldy = 9},
                           {.w = &part,
                            .bias = bias,
                            .act = act,
                            .scale = scale,
                            .accumulate = true,
                            .y = y,
                            .ldy = n}};
  assert_ok(gm_linear(&c, x, PAIR_K, PAIR_M, outs, 2), &err);
  char what[96];
  (void)snprintf(what, sizeof what, "%s way %d act %d rows %zu", gm_type_traits_of(type)->name,
                 (int)way, (int)act, first);
  /* As check_linear; the pair's sums are f32. */
  bool quantised = gm_type_traits_of(type)->quantised;
  bool rounded = !quantised && c.kernels->rounds[type] && way == GM_WAY_READ;
  assert_close(y, want, PAIR_M * n, quantised ? 0.02 : rounded ? 0.005 : 1e-5, what);
  for (size_t r = 0; r < PAIR_M; r++) {
    outs[1].y = alone + r * n;
    assert_ok(gm_linear(&c, x + r * PAIR_K, PAIR_K, 1, &outs[1], 1), &err);
  }
  assert_memory_equal(y, alone, PAIR_M * n * sizeof *y);
  free(x), free(bias), free(a), free(b), free(y), free(alone), free(scale), free(want);
  free(beside);
  free_matrix(&w), free_matrix(&plain);
  free_compute(&c);
}

static void pairs(void **state) {
  (void)state;
  static const gm_type types[] = {GM_TYPE_F32, GM_TYPE_F16, GM_TYPE_Q8_0, GM_TYPE_Q4_K};
  static const gm_way ways[] = {GM_WAY_READ, GM_WAY_STEP};
  for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
    for (size_t i = 0; i < 2; i++) {
      check_pair(types[t], ways[i], GM_ACT_NONE, 0, PAIR_N);
      check_pair(types[t], ways[i], GM_ACT_SILU, 32, 17); /* rows of a fused matrix */
    }
  for (gm_act act = GM_ACT_NONE; act <= GM_ACT_SILU; act++)
    for (size_t i = 0; i < 2; i++) check_pair(GM_TYPE_F32, ways[i], act, 0, PAIR_N);
}

/* In tiles the number of columns makes no difference either. */
static void check_parts(gm_compute *c, gm_type type, size_t k, gm_way way) {
  matrix w = make_matrix(type, SIDE, k, k);
  float *x = random_floats(SIDE * k, 2), *y = random_floats(SIDE * SIDE, 3);
  whole_product p = {c, &w, x, y, k};
  c->way = way;
  compute_whole(&p, y, SIDE);
  check_whole(&p);
  for (size_t n = 1 + k % 2; n <= SIDE; n += 2) {
    if (way == GM_WAY_STEP) compute_whole(&p, y, n);
    for (size_t m = 1 + n / 2 % 5; m <= SIDE; m += 5) check_part(&p, m, n);
  }
  free(x), free(y);
  free_matrix(&w);
}

static void parts_of_a_product(void **state) {
  (void)state;
  static const gm_type types[] = {GM_TYPE_F32,  GM_TYPE_F16,  GM_TYPE_BF16, GM_TYPE_Q8_0,
                                  GM_TYPE_Q4_0, GM_TYPE_Q4_K, GM_TYPE_Q6_K};
  static const size_t ks[] = {1, 31, 32, 33, 63, 64, 65, 96, 224, 255, 256, 257, 288, 512};
  gm_error err = {0};
  gm_compute c = make_compute(1, &err);
  for (size_t i = 0; (c.kernels = gm_kernels_at(i)) != NULL; i++)
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
      for (size_t j = (i + t) % 3; j < sizeof ks / sizeof ks[0]; j += 3) {
        if (ks[j] % c.kernels->matmul[types[t]]->block != 0) continue;
        check_parts(&c, types[t], ks[j], GM_WAY_STEP);
        check_parts(&c, types[t], ks[j], GM_WAY_READ);
      }
  /* As gm_kernels_fast has it: F32 is rounded too. */
  for (size_t i = 0; (c.kernels = gm_kernels_at(i)) != NULL; i++) {
    gm_kernels fast = *c.kernels;
    fast.rounds[GM_TYPE_F32] = fast.rounds[GM_TYPE_F16];
    c.kernels = &fast;
    check_parts(&c, GM_TYPE_F32, 97, GM_WAY_READ);
    check_parts(&c, GM_TYPE_F32, 256, GM_WAY_STEP);
  }
  free_compute(&c);
}

/* Several outputs of one input, of different types and widths, equal those of one call each. */
static void several_outputs(void **state) {
  (void)state;
  enum { K = 512, N = 90 };
  static const gm_type types[] = {GM_TYPE_Q4_K, GM_TYPE_F32, GM_TYPE_Q6_K, GM_TYPE_Q8_0};
  gm_error err = {0};
  gm_compute c = make_compute(2, &err);
  for (size_t m = 1; m < 50; m += 10) {
    c.way = m > MOST_STEPS || m % 20 == 1 ? GM_WAY_READ : GM_WAY_STEP;
    matrix w[4];
    gm_linear_out outs[4];
    float *x = random_floats(m * K, 9), *y[4], *alone = random_floats(m * N, 1);
    for (size_t i = 0; i < 4; i++) {
      w[i] = make_matrix(types[i], N - 7 * i, K, i);
      y[i] = random_floats(m * N, 1);
      outs[i] = (gm_linear_out){.w = &w[i].tensor, .y = y[i], .ldy = N};
    }
    assert_ok(gm_linear(&c, x, K, m, outs, 4), &err);
    for (size_t i = 0; i < 4; i++) {
      outs[i].y = alone;
      memcpy(alone, y[(i + 1) % 4], m * N * sizeof(float));
      assert_ok(gm_linear(&c, x, K, m, &outs[i], 1), &err);
      for (size_t r = 0; r < m; r++)
        assert_memory_equal(alone + r * N, y[i] + r * N, (N - 7 * i) * sizeof(float));
      free_matrix(&w[i]);
    }
    for (size_t i = 0; i < 4; i++) free(y[i]);
    free(x), free(alone);
  }
  free_compute(&c);
}

/* Two threads, enough rows for each to keep its own, several tasks of columns per share. A row
 * must be bit-identical to the one among few rows, too few for that. */
static void rows_that_stay(void **state) {
  (void)state;
  enum { K = 96, N = 300, M = 521, SOME = 20 };
  static const gm_type types[] = {GM_TYPE_F32, GM_TYPE_F16, GM_TYPE_BF16};
  gm_error err = {0};
  gm_compute c = make_compute(2, &err);
  matrix w[3];
  gm_linear_out outs[3];
  float *x = random_floats(M * K, 9), *y[3], *some = random_floats(SOME * N, 1);
  for (size_t i = 0; i < 3; i++) {
    w[i] = make_matrix(types[i], N - 70 * i, K, i);
    y[i] = random_floats(M * N, 1);
    outs[i] = (gm_linear_out){.w = &w[i].tensor, .y = y[i], .ldy = N};
  }
  assert_ok(gm_linear(&c, x, K, M, outs, 3), &err);
  for (size_t i = 0; i < 3; i++) {
    outs[i].y = some;
    for (size_t first = 0; first + SOME <= M; first += SOME) {
      assert_ok(gm_linear(&c, x + first * K, K, SOME, &outs[i], 1), &err);
      for (size_t r = 0; r < SOME; r++)
        assert_memory_equal(some + r * N, y[i] + (first + r) * N, (N - 70 * i) * sizeof(float));
    }
  }
  for (size_t i = 0; i < 3; i++) free_matrix(&w[i]), free(y[i]);
  free(x), free(some);
  free_compute(&c);
}

static void rows_of_a_table(void **state) {
  (void)state;
  matrix w = make_matrix(GM_TYPE_Q8_0, 9, 64, 1);
  static const int32_t ids[] = {8, 0, 3, 3};
  float out[4][70];
  gm_get_rows(out[0], 70, &w.tensor, ids, 4);
  for (size_t i = 0; i < 4; i++)
    assert_memory_equal(out[i], w.values + (size_t)ids[i] * 64, 64 * sizeof(float));
  free_matrix(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(linear_shapes),
      cmocka_unit_test(same_bits),
      cmocka_unit_test(parts_of_a_product),
      cmocka_unit_test(several_outputs),
      cmocka_unit_test(rows_that_stay),
      cmocka_unit_test(rows_of_a_table),
      cmocka_unit_test(pairs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
