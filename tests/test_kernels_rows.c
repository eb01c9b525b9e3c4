/* test_kernels_rows.c - the row kernels of every instruction set that runs here against plain
 * C: odd sizes, buffers of exact length between guards, values that overflow, underflow or are
 * NaN. */
#include "ops_support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARDS = 8 };
static const size_t sizes[] = {1,  2,   3,   4,   5,   7,   8,   9,   11,  15,
                               16, 17,  23,  31,  32,  33,  47,  63,  64,  65,
                               96, 100, 127, 128, 129, 160, 255, 257, 1000};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* The tables above plain C, and plain C. */
static const gm_row_kernels *under_test(size_t i, const char **name) {
  const gm_kernels *k = gm_kernels_at(i + 1);
  if (!k) return NULL;
  *name = k->name;
  return &k->rows;
}

static const gm_row_kernels *plain(void) {
  return &gm_kernels_at(0)->rows;
}

/* n floats from x (NULL: zeros) with guards after them. */
static float *guarded(const float *x, size_t n) {
  float *y = zeros(n + GUARDS);
  if (x) memcpy(y, x, n * sizeof *y);
  for (size_t i = 0; i < GUARDS; i++) y[n + i] = 12345;
  return y;
}

static void check_guards(const float *y, size_t n, const char *what) {
  for (size_t i = 0; i < GUARDS; i++)
    if (y[n + i] != 12345) fail_msg("%s writes past its %zu elements", what, n);
}

/* Equal within `relative` of the wanted value plus `absolute`; infinities and NaNs must agree.
 */
static void agree(const float *a, const float *want, size_t n, double relative, double absolute,
                  const char *what) {
  for (size_t i = 0; i < n; i++) {
    if (isnan(want[i]) && isnan(a[i])) continue;
    if (a[i] == want[i]) continue;
    double error = fabs((double)a[i] - (double)want[i]);
    if (error <= relative * fabs((double)want[i]) + absolute) continue;
    fail_msg("%s, n %zu: element %zu is %.9g, plain C has %.9g", what, n, i, (double)a[i],
             (double)want[i]);
  }
}

/* Runs `body` for every table and size, with `what` naming both. */
typedef void (*check_fn)(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what);

static void for_all(check_fn check, const char *name) {
  const char *table = NULL;
  for (size_t t = 0; under_test(t, &table); t++) {
    gm_rng rng = {17};
    char what[64];
    snprintf(what, sizeof what, "%s (%s)", name, table);
    for (size_t s = 0; s < SIZES; s++) check(under_test(t, &table), sizes[s], &rng, what);
  }
}

/* Replaces some values by the worst ones. */
static void make_hostile(float *x, size_t n, gm_rng *rng) {
  static const float worst[] = {0,     -0.0F,  1e-42F, -1e-42F, FLT_MAX,  -FLT_MAX,  FLT_MIN,
                                88.8F, -88.8F, 104,    -104,    INFINITY, -INFINITY, NAN};
  for (size_t i = 0; i < n; i += 1 + gm_rng_u64(rng) % 3)
    x[i] = worst[gm_rng_u64(rng) % (sizeof worst / sizeof *worst)];
}

static void check_add(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  float *a = random_floats(rng, n, -9, 9), *b = random_floats(rng, n, -9, 9);
  for (int hostile = 0; hostile < 2; hostile++) {
    if (hostile) make_hostile(a, n, rng);
    float *y = guarded(NULL, n), *want = zeros(n);
    k->add(y, a, b, n);
    plain()->add(want, a, b, n);
    agree(y, want, n, 0, 0, what);
    check_guards(y, n, what);
    free(y), free(want);
  }
  free(a), free(b);
}

/* exp within 2 units and three roundings on top, on both sides. Past -88 plain C gives a
 * denormal or 0 where the vectors stay at e^-87.3: 1e-36 allows for it. */
static void check_silu_mul(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  float *a = random_floats(rng, n, -30, 30), *b = random_floats(rng, n, -1, 1);
  a[n / 2] = -500;
  a[n - 1] = 500;
  float *y = guarded(a, n), *want = guarded(a, n);
  k->silu_mul(y, b, n);
  plain()->silu_mul(want, b, n);
  agree(y, want, n, 16 * UNIT, 1e-35, what);
  check_guards(y, n, what);
  free(a), free(b), free(y), free(want);
}

static void check_scale(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  float *a = random_floats(rng, n, -9, 9);
  make_hostile(a, n, rng);
  float *y = guarded(a, n), *want = guarded(a, n);
  k->scale(y, n, 0.3F);
  plain()->scale(want, n, 0.3F);
  agree(y, want, n, 0, 0, what);
  check_guards(y, n, what);
  free(a), free(y), free(want);
}

/* Sums of n terms in two orders differ by n / 8 units at most in their relative size; values
 * with a mean of 3 deviations make that 4 times as much in x - mean. */
static void check_norms(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  float *x = random_floats(rng, n, 1, 3), *w = random_floats(rng, n, -1, 1);
  float *b = random_floats(rng, n, -1, 1), *y = guarded(NULL, n), *want = zeros(n);
  double bound = UNIT * (64 + (double)n);
  k->layer_norm(y, x, w, b, n, 1e-5F);
  plain()->layer_norm(want, x, w, b, n, 1e-5F);
  agree(y, want, n, 0, bound, what);
  k->rms_norm(y, x, w, n, 1e-5F);
  plain()->rms_norm(want, x, w, n, 1e-5F);
  agree(y, want, n, 0, bound, what);
  check_guards(y, n, what);
  free(x), free(w), free(b), free(y), free(want);
}

static void check_columns(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  for (size_t rows = 1; rows <= 32; rows += 5) {
    float *x = random_floats(rng, rows * n, 1, 3), *scale = random_floats(rng, n, -1, 1);
    float *shift = random_floats(rng, n, -1, 1);
    float *mean = guarded(NULL, n), *m2 = guarded(NULL, n), *mean0 = zeros(n), *m20 = zeros(n);
    k->column_stats(mean, m2, x, rows, n);
    plain()->column_stats(mean0, m20, x, rows, n);
    /* Up to 32 sums of values up to 3, then of squares up to 4 with 2 times an error. */
    agree(mean, mean0, n, 0, UNIT * 3 * 34, what);
    agree(m2, m20, n, 0, UNIT * 4 * 34 * 32, what);
    check_guards(mean, n, what), check_guards(m2, n, what);
    for (int relu = 0; relu < 2; relu++) {
      float *y = guarded(x, rows * n), *want = guarded(x, rows * n);
      k->scale_shift(y, scale, shift, rows, n, relu);
      plain()->scale_shift(want, scale, shift, rows, n, relu);
      agree(y, want, rows * n, 0, UNIT * 8, what); /* one rounding or two */
      check_guards(y, rows * n, what);
      free(y), free(want);
    }
    free(x), free(scale), free(shift), free(mean), free(m2), free(mean0), free(m20);
  }
}

/* Arguments of exp down to -40 are rounded to 2^-19 at most: 64 units, and a few of exp's own.
 */
static void check_softmax(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  float *x = random_floats(rng, n, -40, 40);
  for (int later = 0; later < 2; later++) {
    float *y = guarded(x, n), *want = guarded(x, n);
    float max = later ? 25 : -INFINITY, max0 = max;
    float sum = k->softmax_step(y, n, 0.5F, &max);
    float sum0 = plain()->softmax_step(want, n, 0.5F, &max0);
    assert_same_bits(&max, &max0, 1, what);
    agree(y, want, n, UNIT * 80, 0, what);
    agree(&sum, &sum0, 1, UNIT * (80 + (double)n), 0, what);
    check_guards(y, n, what);
    free(y), free(want);
  }
  /* A score far below the largest has no weight; a NaN makes the row NaN. */
  x[0] = 1e4F;
  float max = -INFINITY, *y = guarded(x, n);
  float sum = k->softmax_step(y, n, 1, &max);
  assert_true(max == 1e4F && sum == 1);
  x[n - 1] = NAN;
  max = -INFINITY;
  assert_true(isnan(k->softmax_step(x, n, 1, &max)));
  free(x), free(y);
}

static void check_weighted_rows(const gm_row_kernels *k, size_t n, gm_rng *rng,
                                const char *what) {
  for (size_t count = 0; count <= 16; count += 4) {
    float *x = random_floats(rng, 16 * n, -1, 1), *w = random_floats(rng, 16, -1, 1);
    const float *rows[16];
    for (size_t i = 0; i < 16; i++) rows[i] = x + (i * 7 % 16) * n;
    float *y = guarded(NULL, n), *want = zeros(n);
    k->weighted_rows(y, rows, w, count, n);
    plain()->weighted_rows(want, rows, w, count, n);
    agree(y, want, n, 0, UNIT * 2 * (double)(count * count), what);
    check_guards(y, n, what);
    free(x), free(w), free(y), free(want);
  }
}

/* k products of at most 1 in one chain: k * k / 2 units at worst, with a factor of 2 for two
 * sides. */
static void check_product(const gm_row_kernels *kernels, size_t m, size_t n, size_t k,
                          bool keep, gm_rng *rng, const char *what) {
  size_t lda = k + 3, ldb = n + 1, ldc = n + 2;
  float *a = random_floats(rng, m * lda, -1, 1), *b = random_floats(rng, k * ldb, -1, 1);
  float *c = random_floats(rng, m * ldc, -1, 1), *factors = random_floats(rng, m, 0, 1);
  float *y = guarded(c, m * ldc), *want = guarded(c, m * ldc);
  kernels->tile_product(y, ldc, keep ? factors : NULL, a, lda, b, ldb, m, n, k);
  plain()->tile_product(want, ldc, keep ? factors : NULL, a, lda, b, ldb, m, n, k);
  agree(y, want, m * ldc, 0, UNIT * (double)((k + 2) * (k + 2)), what);
  check_guards(y, m * ldc, what);
  for (size_t i = 0; i < m; i++) assert_same_bits(y + i * ldc + n, c + i * ldc + n, 2, what);
  free(a), free(b), free(c), free(factors), free(y), free(want);
}

static void check_tile_product(const gm_row_kernels *k, size_t n, gm_rng *rng,
                               const char *what) {
  for (size_t m = 1; m <= 14; m++)
    check_product(k, m, n, 1 + (m * 37 + n) % 90, m % 2, rng, what);
  check_product(k, 3, n, 0, true, rng, what);
}

static void check_transpose(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  for (size_t rows = 1; rows <= 20; rows += 3) {
    size_t ldx = n + 3, ldy = rows + 2;
    float *x = random_floats(rng, rows * ldx, -1, 1);
    float *y = guarded(NULL, n * ldy), *want = zeros(n * ldy);
    k->transpose(y, ldy, x, ldx, rows, n);
    plain()->transpose(want, ldy, x, ldx, rows, n);
    assert_same_bits(y, want, n * ldy, what);
    check_guards(y, n * ldy, what);
    free(x), free(y), free(want);
  }
}

static void check_strips(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  static const size_t widths[] = {1, 4, 6, 8, 12, 14, 16, 32, 45};
  for (size_t i = 0; n > 0 && i < sizeof widths / sizeof *widths; i++)
    for (size_t rows = 1; rows <= 7; rows += 3) {
      size_t width = widths[i], ldx = n + 3, step = rows * width + 5;
      size_t strips = (n + width - 1) / width, all = (strips - 1) * step + rows * width;
      float *x = random_floats(rng, rows * ldx, -1, 1);
      float *y = guarded(NULL, all), *want = zeros(all);
      memcpy(want, y, all * sizeof *y); /* between the strips nothing is written */
      k->strips(y, step, width, x, ldx, rows, n);
      plain()->strips(want, step, width, x, ldx, rows, n);
      assert_same_bits(y, want, all, what);
      assert_same_bits(want + (strips - 1) * step, x + (strips - 1) * width, 1, what);
      check_guards(y, all, what);
      free(x), free(y), free(want);
    }
}

/* d products of at most 1, and as many keys for the weighted sum. */
static void check_cache(const gm_row_kernels *k, size_t d, gm_rng *rng, const char *what) {
  for (size_t n = 1; n <= 37; n += 6) {
    size_t ld = d + 5;
    float *q = random_floats(rng, d, -1, 1), *p = random_floats(rng, n, 0, 1);
    float *kv = random_floats(rng, n * ld, -1, 1);
    uint16_t *half = malloc(n * ld * sizeof *half);
    assert_non_null(half);
    plain()->kv[GM_TYPE_F16].narrow(half, kv, n * ld);
    float *s = guarded(NULL, n), *s0 = zeros(n), *o = guarded(NULL, d), *o0 = zeros(d);
    double dot_bound = UNIT * (double)((d + 2) * (d + 2)) / 2;
    double mix_bound = UNIT * (double)((n + 2) * (n + 2));
    k->kv[GM_TYPE_F32].dots(s, q, kv, ld, n, d);
    plain()->kv[GM_TYPE_F32].dots(s0, q, kv, ld, n, d);
    agree(s, s0, n, 0, dot_bound, what);
    k->kv[GM_TYPE_F16].dots(s, q, half, ld, n, d);
    plain()->kv[GM_TYPE_F16].dots(s0, q, half, ld, n, d);
    agree(s, s0, n, 0, dot_bound, what);
    k->kv[GM_TYPE_F32].mix(o, p, kv, ld, n, d, false);
    plain()->kv[GM_TYPE_F32].mix(o0, p, kv, ld, n, d, false);
    agree(o, o0, d, 0, mix_bound, what);
    for (size_t cut = 1; cut < n; cut += 5) {
      k->kv[GM_TYPE_F32].mix(o0, p, kv, ld, cut, d, false);
      k->kv[GM_TYPE_F32].mix(o0, p + cut, kv + cut * ld, ld, n - cut, d, true);
      assert_same_bits(o, o0, d, what);
    }
    k->kv[GM_TYPE_F16].mix(o, p, half, ld, n, d, false);
    plain()->kv[GM_TYPE_F16].mix(o0, p, half, ld, n, d, false);
    agree(o, o0, d, 0, mix_bound, what);
    for (size_t cut = 1; cut < n; cut += 5) {
      k->kv[GM_TYPE_F16].mix(o0, p, half, ld, cut, d, false);
      k->kv[GM_TYPE_F16].mix(o0, p + cut, half + cut * ld, ld, n - cut, d, true);
      assert_same_bits(o, o0, d, what);
    }
    check_guards(s, n, what), check_guards(o, d, what);
    free(q), free(p), free(kv), free(half), free(s), free(s0), free(o), free(o0);
  }
}

/* Blocks of 8 bits: products of at most 1; q's rounding to 16 bits moves each by half a step.
 */
static void check_blocks(const gm_row_kernels *k, size_t size, gm_rng *rng, const char *what) {
  size_t d = (size % 8 + 1) * 32;
  for (size_t n = 1; n <= 37; n += 6) {
    size_t ld = d + 32, bytes = n * ld / 32 * sizeof(gm_block_q8_0);
    float *q = random_floats(rng, d, -1, 1), *p = random_floats(rng, n, 0, 1);
    float *kv = random_floats(rng, n * ld, -1, 1), *back = zeros(n * ld);
    gm_block_q8_0 *blocks = malloc(bytes);
    assert_non_null(blocks);
    k->kv[GM_TYPE_Q8_0].narrow(blocks, kv, n * ld);
    k->kv[GM_TYPE_Q8_0].widen(back, blocks, n * ld);
    /* Half a step of at most 1/127; the scale is rounded to 11 bits, 127 times. */
    agree(back, kv, n * ld, 0, 0.5 / 127 + 1.0 / 2048 + 1e-6, what);
    plain()->kv[GM_TYPE_Q8_0].widen(kv, blocks, n * ld);
    agree(back, kv, n * ld, 0, 0, what);
    float *s = guarded(NULL, n), *s0 = zeros(n), *o = guarded(NULL, d), *o0 = zeros(d);
    k->kv[GM_TYPE_Q8_0].dots(s, q, blocks, ld, n, d);
    plain()->kv[GM_TYPE_Q8_0].dots(s0, q, blocks, ld, n, d);
    agree(s, s0, n, 0, (double)d / 65534 + UNIT * (double)((d + 2) * (d + 2)), what);
    k->kv[GM_TYPE_Q8_0].mix(o, p, blocks, ld, n, d, false);
    plain()->kv[GM_TYPE_Q8_0].mix(o0, p, blocks, ld, n, d, false);
    agree(o, o0, d, 0, UNIT * (double)((n + 4) * (n + 4)), what);
    for (size_t cut = 1; cut < n; cut += 5) {
      k->kv[GM_TYPE_Q8_0].mix(o0, p, blocks, ld, cut, d, false);
      k->kv[GM_TYPE_Q8_0].mix(o0, p + cut, blocks + cut * ld / 32, ld, n - cut, d, true);
      assert_same_bits(o, o0, d, what);
    }
    memset(q, 0, d * sizeof *q);
    k->kv[GM_TYPE_Q8_0].dots(s, q, blocks, ld, n, d);
    memset(s0, 0, n * sizeof *s0);
    agree(s, s0, n, 0, 0, what);
    check_guards(s, n, what), check_guards(o, d, what);
    free(q), free(p), free(kv), free(back), free(blocks);
    free(s), free(s0), free(o), free(o0);
  }
}

/* NaN, wherever it is in its block, makes that block NaN and no other one; in a key or a query
 * it makes the product NaN, in a value its block of the sum. */
static void check_blocks_nan(const gm_row_kernels *k, const char *what) {
  enum { D = 96, N = 5, KEY = 2 };
  for (size_t at = 0; at < D; at++) {
    float kv[N * D], back[N * D], q[D], p[N], s[N], o[D];
    gm_block_q8_0 blocks[N * D / 32];
    for (size_t i = 0; i < N * D; i++) kv[i] = 1 + (float)(i % 7);
    for (size_t i = 0; i < D; i++) q[i] = 1;
    for (size_t i = 0; i < N; i++) p[i] = 1;
    kv[KEY * D + at] = at % 2 ? NAN : -NAN;
    k->kv[GM_TYPE_Q8_0].narrow(blocks, kv, N * D);
    k->kv[GM_TYPE_Q8_0].widen(back, blocks, N * D);
    k->kv[GM_TYPE_Q8_0].dots(s, q, blocks, D, N, D);
    k->kv[GM_TYPE_Q8_0].mix(o, p, blocks, D, N, D, false);
    for (size_t i = 0; i < N * D; i++)
      if (isnan(back[i]) != (i / 32 == (KEY * D + at) / 32))
        fail_msg("%s: element %zu reads %g, NaN was %zu", what, i, (double)back[i],
                 KEY * D + at);
    for (size_t i = 0; i < N; i++)
      if (isnan(s[i]) != (i == KEY)) fail_msg("%s: product %zu is %g", what, i, (double)s[i]);
    for (size_t i = 0; i < D; i++)
      if (isnan(o[i]) != (i / 32 == at / 32))
        fail_msg("%s: sum %zu is %g, NaN was %zu", what, i, (double)o[i], at);
    kv[KEY * D + at] = 1;
    q[at] = at % 2 ? NAN : -NAN;
    k->kv[GM_TYPE_Q8_0].narrow(blocks, kv, N * D);
    k->kv[GM_TYPE_Q8_0].dots(s, q, blocks, D, N, D);
    for (size_t i = 0; i < N; i++)
      if (!isnan(s[i])) fail_msg("%s: query %zu is NaN, a product %g", what, at, (double)s[i]);
  }
}

/* Conversion is exact in one direction and correctly rounded in the other, including denormals
 * and infinities. */
static void check_halves(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  float *x = random_floats(rng, n, -70000, 70000), *y = guarded(NULL, n), *want = zeros(n);
  for (size_t i = 0; i < n; i += 3) x[i] *= 1e-10F;
  make_hostile(x, n, rng);
  uint16_t *half = malloc(n * sizeof *half), *half0 = malloc(n * sizeof *half0);
  assert_true(half && half0);
  k->kv[GM_TYPE_F16].narrow(half, x, n);
  plain()->kv[GM_TYPE_F16].narrow(half0, x, n);
  for (size_t i = 0; i < n; i++)
    if (!isnan(x[i])) assert_int_equal(half[i], half0[i]);
  k->kv[GM_TYPE_F16].widen(y, half, n);
  plain()->kv[GM_TYPE_F16].widen(want, half, n);
  agree(y, want, n, 0, 0, what);
  check_guards(y, n, what);
  free(x), free(y), free(want), free(half), free(half0);
}

static void check_rotate(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  float *x = random_floats(rng, 2 * n, -1, 1), *c = random_floats(rng, n, -1, 1);
  float *s = random_floats(rng, n, -1, 1);
  float *y = guarded(x, 2 * n), *want = guarded(x, 2 * n);
  k->rotate(y, c, s, n);
  plain()->rotate(want, c, s, n);
  agree(y, want, 2 * n, 0, UNIT * 4, what);
  check_guards(y, 2 * n, what);
  free(x), free(c), free(s), free(y), free(want);
}

/* Rows of 36 or 9 or 16 pointers into one block. */
static void point_rows(const float **rows, const float *x, size_t count, size_t n) {
  for (size_t i = 0; i < count; i++) rows[i] = x + (i * 5 % count) * n;
}

/* Each value is a sum of up to 36 products whose coefficients' sizes add up to at most 28 on
 * the input's side (5.3 along an axis: 5/8 * 9/4 + 9/4 + 5/8 + 1), 2 on the weights' and 68 on
 * the output's (8.2: 2 * 27/8 + 2 * 125/512 + 1); a dozen roundings each. */
static void check_winograd(const gm_row_kernels *k, size_t n, gm_rng *rng, const char *what) {
  float *x = random_floats(rng, 36 * n, -1, 1), *bias = random_floats(rng, n, -1, 1);
  const float *rows[36];
  float *v = guarded(NULL, 36 * (n + 1)), *want = guarded(NULL, 36 * (n + 1));
  point_rows(rows, x, 36, n);
  k->winograd_input(v, n + 1, rows, n);
  plain()->winograd_input(want, n + 1, rows, n);
  agree(v, want, 36 * (n + 1), 0, UNIT * 12 * 28, what);
  k->winograd_weight(v, n + 1, rows, n);
  plain()->winograd_weight(want, n + 1, rows, n);
  agree(v, want, 36 * (n + 1), 0, UNIT * 12 * 2, what);
  check_guards(v, 36 * (n + 1), what);
  for (unsigned mode = 0; mode < 8; mode++) {
    float *y = guarded(x, 16 * n), *y0 = guarded(x, 16 * n), *out[16], *out0[16];
    for (size_t p = 0; p < 16; p++) {
      out[p] = p % 5 == mode % 5 ? NULL : y + p * n;
      out0[p] = out[p] ? y0 + p * n : NULL;
    }
    const float *added = mode & 4 ? bias : NULL;
    k->winograd_output(out, x, n, added, mode & 1, mode & 2, n);
    plain()->winograd_output(out0, x, n, added, mode & 1, mode & 2, n);
    agree(y, y0, 16 * n, 0, UNIT * 12 * 68, what);
    check_guards(y, 16 * n, what);
    free(y), free(y0);
  }
  free(x), free(bias), free(v), free(want);
}

/* Sums of magnitudes along an axis are at most 8.2 in A and 2.8 in G. */
static void check_winograd_back(const gm_row_kernels *k, size_t n, gm_rng *rng,
                                const char *what) {
  float *x = random_floats(rng, 36 * n, -1, 1);
  float *m = guarded(NULL, 36 * (n + 1)), *want = guarded(NULL, 36 * (n + 1));
  const float *y[16];
  point_rows(y, x, 16, n);
  y[3] = y[12] = NULL;
  k->winograd_output_back(m, n + 1, y, n);
  plain()->winograd_output_back(want, n + 1, y, n);
  agree(m, want, 36 * (n + 1), 0, UNIT * 12 * 68, what);
  check_guards(m, 36 * (n + 1), what);
  float *w = guarded(x, 9 * n), *w0 = guarded(x, 9 * n), *to[9], *to0[9];
  for (size_t p = 0; p < 9; p++) to[p] = w + p * n, to0[p] = w0 + p * n;
  k->winograd_weight_back(to, x, n, n);
  plain()->winograd_weight_back(to0, x, n, n);
  agree(w, w0, 9 * n, 0, UNIT * 12 * 9, what);
  check_guards(w, 9 * n, what);
  free(x), free(m), free(want), free(w), free(w0);
}

typedef struct kernel_check {
  const char *name;
  check_fn check;
} kernel_check;

static void test_kernel(void **state) {
  const kernel_check *k = *state;
  for_all(k->check, k->name);
}

static void blocks_nan(void **state) {
  (void)state;
  const gm_kernels *k;
  for (size_t i = 0; (k = gm_kernels_at(i)) != NULL; i++) check_blocks_nan(&k->rows, k->name);
}

/* A whole row for each type of a cache in every table, none for other types; F32 unchanged. */
static void types_of_a_cache(void **state) {
  (void)state;
  const gm_kernels *k;
  for (size_t i = 0; (k = gm_kernels_at(i)); i++) {
    for (gm_type type = 0; type < GM_TYPE_COUNT; type++) {
      const gm_kv_kernels *kv = &k->rows.kv[type];
      bool wanted = type == GM_TYPE_F32 || type == GM_TYPE_F16 || type == GM_TYPE_Q8_0;
      assert_int_equal(kv->widen && kv->narrow && kv->dots && kv->mix, wanted);
      assert_int_equal(kv->widen || kv->narrow || kv->dots || kv->mix, wanted);
      assert_int_equal(gm_is_kv_type(type), wanted);
    }
    const float x[3] = {1.5f, -0.0f, INFINITY};
    float y[3], z[3];
    k->rows.kv[GM_TYPE_F32].narrow(y, x, 3);
    k->rows.kv[GM_TYPE_F32].widen(z, y, 3);
    assert_memory_equal(z, x, sizeof x);
  }
  assert_true(gm_kv_fits(GM_TYPE_F32, 1));
  assert_true(gm_kv_fits(GM_TYPE_F16, 33));
  assert_true(gm_kv_fits(GM_TYPE_Q8_0, 64));
  assert_false(gm_kv_fits(GM_TYPE_Q8_0, 48));
  assert_false(gm_kv_fits(GM_TYPE_Q4_0, 64));
}

/* Values of up to 1 are a product of up to 2 less an offset of up to 1. Tables that fuse the
 * two are within a rounding, 2^-24, of each. The steps between levels are over 0.01. */
static void types_are_widened_alike(void **state) {
  (void)state;
  enum { N = 3 * 256 };
  gm_rng rng = {5};
  float *x = random_floats(&rng, N, -1, 1), *want = zeros(N);
  unsigned char blocks[N * sizeof(float)];
  for (gm_type type = 0; type < GM_TYPE_COUNT; type++) {
    const gm_type_traits *traits = gm_type_traits_of(type);
    if (!traits) continue;
    traits->from_float(blocks, x, N);
    traits->to_float(want, blocks, N);
    const gm_kernels *k;
    for (size_t i = 0; (k = gm_kernels_at(i)) != NULL; i++) {
      if (!k->train.widen[type]) continue;
      float *y = guarded(NULL, N);
      k->train.widen[type](y, blocks, N);
      check_guards(y, N, k->name);
      agree(y, want, N, 0, 4 * 0x1p-24, traits->name);
      free(y);
    }
  }
  free(x), free(want);
}

int main(void) {
  static kernel_check checks[] = {
      {"add", check_add},
      {"silu_mul", check_silu_mul},
      {"scale", check_scale},
      {"norms", check_norms},
      {"columns", check_columns},
      {"softmax", check_softmax},
      {"weighted_rows", check_weighted_rows},
      {"tile_product", check_tile_product},
      {"transpose", check_transpose},
      {"strips", check_strips},
      {"cache", check_cache},
      {"blocks", check_blocks},
      {"halves", check_halves},
      {"rotate", check_rotate},
      {"winograd", check_winograd},
      {"winograd_back", check_winograd_back},
  };
  enum { CHECKS = sizeof checks / sizeof *checks };
  struct CMUnitTest tests[CHECKS + 3];
  for (size_t i = 0; i < CHECKS; i++)
    tests[i] = (struct CMUnitTest){checks[i].name, test_kernel, NULL, NULL, &checks[i]};
  tests[CHECKS] = (struct CMUnitTest)cmocka_unit_test(blocks_nan);
  tests[CHECKS + 1] = (struct CMUnitTest)cmocka_unit_test(types_of_a_cache);
  tests[CHECKS + 2] = (struct CMUnitTest)cmocka_unit_test(types_are_widened_alike);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
