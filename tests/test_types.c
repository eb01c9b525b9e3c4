/* test_types.c - element types by hand-made blocks and known roundings. The comparison with
 * ggml's own numbers is python/test_gguf_types.py. */
#include "quantise_k.h"
#include "rng.h"
#include "support.h"
#include "types.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The value of a half by its definition (IEEE 754-2008, 3.4). */
static double half_value(unsigned h) {
  unsigned exponent = h >> 10 & 31, mantissa = h & 1023;
  double value = exponent ? ldexp(1024 + mantissa, (int)exponent - 25) : ldexp(mantissa, -24);
  return h & 0x8000 ? -value : value;
}

static void test_half_all(void **state) {
  (void)state;
  for (unsigned h = 0; h < 65536; h++) {
    float f = gm_f16_to_f32((uint16_t)h);
    if ((h & 0x7C00) == 0x7C00) {
      assert_true(h & 1023 ? isnan(f) : isinf(f));
      assert_int_equal(signbit(f) != 0, h >> 15);
      if (!isnan(f)) assert_int_equal(gm_f32_to_f16(f), h);
      continue;
    }
    assert_true((double)f == half_value(h));
    assert_int_equal(gm_f32_to_f16(f), h);
  }
}

/* Between each two neighbours: just below, at, and just above the middle; a tie goes to the
 * even one. The middle and its neighbours are floats, since a float has 13 bits more. */
static void test_half_rounding(void **state) {
  (void)state;
  for (unsigned h = 0; h < 0x7BFF; h++) {
    float middle = (float)((half_value(h) + half_value(h + 1)) / 2);
    assert_int_equal(gm_f32_to_f16(nextafterf(middle, 0)), h);
    assert_int_equal(gm_f32_to_f16(middle), h + (h & 1));
    assert_int_equal(gm_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
    assert_int_equal(gm_f32_to_f16(-middle), (h + (h & 1)) | 0x8000);
  }
  assert_int_equal(gm_f32_to_f16(65519.996f), 0x7BFF);
  assert_int_equal(gm_f32_to_f16(65520.0f), 0x7C00);
  assert_int_equal(gm_f32_to_f16(1e-30f), 0);
  assert_true(isnan(gm_f16_to_f32(gm_f32_to_f16(NAN))));
}

static void test_bfloat(void **state) {
  (void)state;
  for (unsigned h = 0; h < 0x7F7F; h++) { /* positive and finite, and its neighbour too */
    float a = gm_bf16_to_f32((uint16_t)h), b = gm_bf16_to_f32((uint16_t)(h + 1));
    float middle = (float)(((double)a + (double)b) / 2);
    assert_int_equal(gm_f32_to_bf16(a), h);
    assert_int_equal(gm_f32_to_bf16(nextafterf(middle, 0)), h);
    assert_int_equal(gm_f32_to_bf16(middle), h + (h & 1));
    assert_int_equal(gm_f32_to_bf16(nextafterf(middle, INFINITY)), h + 1);
  }
  assert_true(isnan(gm_bf16_to_f32(gm_f32_to_bf16(NAN))));
  assert_int_equal(gm_f32_to_bf16(INFINITY), 0x7F80);
}

static void test_traits(void **state) {
  (void)state;
  static const struct {
    const char *name;
    uint32_t number; /* ggml's */
    size_t block, bytes;
  } wanted[] = {{"f32", 0, 1, 4},    {"f16", 1, 1, 2},       {"q4_0", 2, 32, 18},
                {"q8_0", 8, 32, 34}, {"q4_k", 12, 256, 144}, {"q6_k", 14, 256, 210},
                {"bf16", 30, 1, 2}};
  size_t known = 0;
  for (uint32_t i = 0; i < 1000; i++) known += gm_type_traits_of(i) != NULL;
  assert_int_equal(known, sizeof wanted / sizeof wanted[0]);
  for (size_t i = 0; i < known; i++) {
    const gm_type_traits *t = gm_type_traits_of(wanted[i].number);
    gm_type type;
    assert_string_equal(t->name, wanted[i].name);
    assert_int_equal(t->block, wanted[i].block);
    assert_int_equal(t->block_bytes, wanted[i].bytes);
    assert_true(gm_type_from_name(wanted[i].name, &type));
    assert_int_equal(type, wanted[i].number);
    assert_int_equal(gm_type_row_bytes(type, 512), 512 / wanted[i].block * wanted[i].bytes);
  }
  gm_type type;
  assert_true(gm_type_from_name("Q4_K", &type) && type == GM_TYPE_Q4_K);
  assert_false(gm_type_from_name("q5_k", &type));
  assert_false(gm_type_from_name("", &type));
}

static void test_read_q8_0(void **state) {
  (void)state;
  gm_block_q8_0 b = {.d = gm_f32_to_f16(0.5f)};
  float y[32];
  for (int i = 0; i < 32; i++) b.qs[i] = (int8_t)(i * 8 - 128);
  gm_type_traits_of(GM_TYPE_Q8_0)->to_float(y, &b, 32);
  for (int i = 0; i < 32; i++) assert_true(y[i] == 0.5f * (float)(i * 8 - 128));
}

static void test_read_q4_0(void **state) {
  (void)state;
  gm_block_q4_0 b = {.d = gm_f32_to_f16(0.25f)};
  float y[32];
  for (unsigned i = 0; i < 16; i++) b.qs[i] = (uint8_t)(i | (15 - i) << 4);
  gm_type_traits_of(GM_TYPE_Q4_0)->to_float(y, &b, 32);
  for (int i = 0; i < 16; i++) {
    assert_true(y[i] == 0.25f * (float)(i - 8));
    assert_true(y[i + 16] == 0.25f * (float)(7 - i));
  }
}

/* Scales 1, 10, 19, ..., 64 - 1 = 63 at most; mins the other way round: all 12 bytes packed by
 * hand after the layout in quantise_k.h. */
static void test_read_q4_k(void **state) {
  (void)state;
  static const unsigned scales[8] = {1, 9, 18, 27, 36, 45, 54, 63};
  gm_block_q4_k b = {.d = gm_f32_to_f16(0.5f), .dmin = gm_f32_to_f16(2.0f)};
  for (unsigned s = 0; s < 4; s++) {
    unsigned high = scales[s + 4], high_min = scales[7 - (s + 4)];
    b.scales[s] = (uint8_t)(scales[s] | (high >> 4) << 6);
    b.scales[s + 4] = (uint8_t)(scales[7 - s] | (high_min >> 4) << 6);
    b.scales[s + 8] = (uint8_t)((high & 15) | (high_min & 15) << 4);
  }
  for (unsigned i = 0; i < 128; i++) b.qs[i] = (uint8_t)((i % 16) | (i / 8 % 16) << 4);
  float y[256];
  gm_type_traits_of(GM_TYPE_Q4_K)->to_float(y, &b, 256);
  for (unsigned i = 0; i < 256; i++) {
    unsigned s = i / 32, at = s / 2 * 32 + i % 32, q = s % 2 ? at / 8 % 16 : at % 16;
    assert_true(y[i] == 0.5f * (float)scales[s] * (float)q - 2.0f * (float)scales[7 - s]);
  }
}

static void test_read_q6_k(void **state) {
  (void)state;
  gm_block_q6_k b = {.d = gm_f32_to_f16(0.125f)};
  for (int s = 0; s < 16; s++) b.scales[s] = (int8_t)(s * 17 - 128);
  /* Element i has level i % 64: each bit set by the layout's description. */
  for (unsigned i = 0; i < 256; i++) {
    unsigned q = i % 64, half = i / 128, j = i % 128;
    b.ql[half * 64 + j % 64] |= (uint8_t)((q & 15) << (j < 64 ? 0 : 4));
    b.qh[half * 32 + j % 32] |= (uint8_t)((q >> 4) << (j / 32 * 2));
  }
  float y[256];
  gm_type_traits_of(GM_TYPE_Q6_K)->to_float(y, &b, 256);
  for (int i = 0; i < 256; i++)
    assert_true(y[i] == 0.125f * (float)(i / 16 * 17 - 128) * (float)(i % 64 - 32));
}

/* ---- writing */

/* The largest error, and in *rms the root of the mean square (NULL: not wanted). */
static double error_of(gm_type type, const float *x, size_t n, double *rms) {
  const gm_type_traits *t = gm_type_traits_of(type);
  void *blocks = malloc(gm_type_row_bytes(type, n));
  float *y = malloc(n * sizeof *y);
  assert_true(blocks && y);
  t->from_float(blocks, x, n);
  t->to_float(y, blocks, n);
  double worst = 0, sum = 0;
  for (size_t i = 0; i < n; i++) {
    double e = fabs((double)y[i] - (double)x[i]);
    assert_true(isfinite(e));
    if (e > worst) worst = e;
    sum += e * e;
  }
  free(blocks);
  free(y);
  if (rms) *rms = sqrt(sum / (double)n);
  return worst;
}

static double worst_error(gm_type type, const float *x, size_t n) {
  return error_of(type, x, n, NULL);
}

/* Values evenly spread over [-1, 1). If the scale comes from the largest value, a level is at
 * most half a step from its value: 1/127 for Q8_0, 1/8 for Q4_0 (and up to a whole step at the
 * end that -8..7 lacks), and half precision adds 2^-11 of it. If the scale is searched for, an
 * outlier may have a larger error: then the mean is checked. Rounding to a step has an error of
 * step / sqrt(12); a plain quantiser has steps of 2/15 (Q4_K) and 1/32 (Q6_K). */
static void test_write_errors(void **state) {
  (void)state;
  enum { N = 256 * 64 };
  float *x = malloc(N * sizeof *x);
  assert_non_null(x);
  gm_rng rng = {7};
  for (size_t i = 0; i < N; i++) x[i] = (float)(2 * gm_rng_unit(&rng) - 1);
  assert_true(worst_error(GM_TYPE_F32, x, N) == 0);
  assert_true(worst_error(GM_TYPE_F16, x, N) <= 0x1p-12);
  assert_true(worst_error(GM_TYPE_BF16, x, N) <= 0x1p-9);
  assert_true(worst_error(GM_TYPE_Q8_0, x, N) <= 0.5 / 127 + 0x1p-11);
  assert_true(worst_error(GM_TYPE_Q4_0, x, N) <= 1.0 / 8 + 0x1p-11);
  double rms;
  error_of(GM_TYPE_Q4_K, x, N, &rms);
  assert_true(rms <= 2.0 / 15 / sqrt(12));
  error_of(GM_TYPE_Q6_K, x, N, &rms);
  assert_true(rms <= 1.0 / 32 / sqrt(12));
  free(x);
}

/* Rows that are difficult for a search: they must be read back finite, and the exact ones
 * exactly. */
static void test_write_edges(void **state) {
  (void)state;
  static const gm_type types[] = {GM_TYPE_Q8_0, GM_TYPE_Q4_0, GM_TYPE_Q4_K, GM_TYPE_Q6_K};
  float x[256];
  for (size_t k = 0; k < 4; k++) {
    memset(x, 0, sizeof x);
    assert_true(worst_error(types[k], x, 256) == 0);
    for (int i = 0; i < 256; i++) x[i] = i == 77 ? -8.0f : 0; /* one value in a zero row */
    assert_true(worst_error(types[k], x, 256) <= 8.0 / 100);
    for (int i = 0; i < 256; i++) x[i] = -1.0f; /* a constant row */
    assert_true(worst_error(types[k], x, 256) <= 1.0 / 100);
    for (int i = 0; i < 256; i++) x[i] = i % 2 ? 0x1p-149f : -0x1p-149f; /* subnormal */
    assert_true(worst_error(types[k], x, 256) <= 0x1p-148);
    for (int i = 0; i < 256; i++)
      x[i] = i % 3 ? 3e-8f : -2e-8f; /* below the range of half
                                        precision */
    assert_true(worst_error(types[k], x, 256) <= 0x1p-22);
    for (int i = 0; i < 256; i++) x[i] = i % 2 ? 500000.0f : -500000.0f; /* convert's limit */
    assert_true(worst_error(types[k], x, 256) <= 500000.0 / 7);
  }
}

/* What the layout can hold, x = d * scale * q - dmin * min, is found again, except for the last
 * bits of half precision: 1e-3 of values up to 500. */
static void test_write_exact(void **state) {
  (void)state;
  float x[256];
  for (int i = 0; i < 256; i++)
    x[i] = 0.5f * (float)((i / 32 * 8 + 7) * (i * 7 % 16)) - 0.25f * (float)(63 - i / 32);
  assert_true(worst_error(GM_TYPE_Q4_K, x, 256) <= 1e-3);
  for (int i = 0; i < 256; i++) x[i] = 0.5f * (float)((i / 16 * 8 - 128) * (i * 5 % 64 - 32));
  assert_true(worst_error(GM_TYPE_Q6_K, x, 256) <= 1e-3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_half_all),     cmocka_unit_test(test_half_rounding),
      cmocka_unit_test(test_bfloat),       cmocka_unit_test(test_traits),
      cmocka_unit_test(test_read_q8_0),    cmocka_unit_test(test_read_q4_0),
      cmocka_unit_test(test_read_q4_k),    cmocka_unit_test(test_read_q6_k),
      cmocka_unit_test(test_write_errors), cmocka_unit_test(test_write_edges),
      cmocka_unit_test(test_write_exact),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
