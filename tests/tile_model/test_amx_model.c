/* test_amx_model.c - the model of tile instructions: its arithmetic against sums made here or
 * worked out by hand, and each thing that the processor refuses. */
#include "tile_model.h"

#include "rng.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct config {
  uint8_t palette, first_row, reserved[14];
  uint16_t colsb[8], reserved_colsb[8];
  uint8_t rows[8], reserved_rows[8];
} config;

enum { M = 5, N = 7, K = 12 }; /* K: bytes of a row of the first factor */

/* Tiles 0 and 1: sums and first factor of M rows; tile 2: second factor; tile 7: none. */
static config small(void) {
  config c = {.palette = 1};
  c.colsb[0] = N * 4, c.rows[0] = M;
  c.colsb[1] = K, c.rows[1] = M;
  c.colsb[2] = N * 4, c.rows[2] = K / 4;
  c.colsb[3] = c.colsb[4] = 64, c.rows[3] = c.rows[4] = 16;
  return c;
}

static void load(const config *c) {
  _tile_loadconfig(c);
  assert_null(gm_tile_model_fault());
}

static void fails(const char *part) {
  const char *fault = gm_tile_model_fault();
  if (!fault || !strstr(fault, part))
    fail_msg("found '%s', wanted a fault with '%s'", fault ? fault : "no fault", part);
}

/* ---- sums ---- */

static void random_bytes(void *to, size_t n, gm_rng *rng) {
  for (size_t i = 0; i < n; i++) ((unsigned char *)to)[i] = (unsigned char)gm_rng_u64(rng);
}

static void bytes_are_summed(void **state) {
  (void)state;
  gm_rng rng = {3};
  unsigned char a[M][K], b[K / 4][N * 4];
  int32_t before[M][N], after[M][N];
  config c = small();
  load(&c);
  for (int how = 0; how < 4; how++) {
    bool a_signed = how & 1, b_signed = how & 2;
    random_bytes(a, sizeof a, &rng);
    random_bytes(b, sizeof b, &rng);
    random_bytes(before, sizeof before, &rng);
    _tile_loadd(0, before, sizeof before[0]);
    _tile_loadd(1, a, sizeof a[0]);
    _tile_stream_loadd(2, b, sizeof b[0]);
    if (how == 0) _tile_dpbuud(0, 1, 2);
    if (how == 1) _tile_dpbsud(0, 1, 2);
    if (how == 2) _tile_dpbusd(0, 1, 2);
    if (how == 3) _tile_dpbssd(0, 1, 2);
    _tile_stored(0, after, sizeof after[0]);
    assert_null(gm_tile_model_fault());
    for (size_t r = 0; r < M; r++)
      for (size_t j = 0; j < N; j++) {
        int64_t sum = before[r][j];
        for (size_t i = 0; i < K; i++) {
          unsigned char x = a[r][i], y = b[i / 4][4 * j + i % 4];
          sum += (int64_t)(a_signed && x > 127 ? x - 256 : x) *
                 (b_signed && y > 127 ? y - 256 : y);
        }
        assert_int_equal(after[r][j], (int32_t)(uint32_t)(uint64_t)sum);
      }
  }
  _tile_release();
}

/* A product of one row and one column: pairs[0..n-1] of both factors, to `sum`. */
static float one_sum(float sum, const float (*a)[2], const float (*b)[2], size_t n) {
  uint16_t left[32] = {0}, right[16][2] = {{0}};
  for (size_t i = 0; i < n; i++)
    for (size_t h = 0; h < 2; h++) {
      uint32_t bits;
      memcpy(&bits, &a[i][h], 4), left[2 * i + h] = (uint16_t)(bits >> 16);
      memcpy(&bits, &b[i][h], 4), right[i][h] = (uint16_t)(bits >> 16);
    }
  config c = {.palette = 1};
  c.colsb[0] = c.colsb[2] = 4, c.rows[0] = c.rows[1] = 1;
  c.colsb[1] = (uint16_t)(4 * n), c.rows[2] = (uint8_t)n;
  load(&c);
  _tile_loadd(0, &sum, 4);
  _tile_loadd(1, left, sizeof left);
  _tile_loadd(2, right, sizeof right[0]);
  _tile_dpbf16ps(0, 1, 2);
  _tile_stored(0, &sum, 4);
  _tile_release();
  assert_null(gm_tile_model_fault());
  return sum;
}

static void bf16_is_rounded_as_the_manual_says(void **state) {
  (void)state;
  const float ones[4][2] = {{1, 1}, {1, 1}, {1, 1}, {1, 1}};
  /* 2^24 + 1 is no f32 and is rounded to even, 2^24. Two chains keep the ones apart from it. */
  const float apart[3][2] = {{0x1p24f, 1}, {0, 1}, {0, 0}};
  assert_true(one_sum(0, apart, ones, 3) == 0x1p24f + 2);
  const float together[3][2] = {{0x1p24f, 0}, {1, 0}, {1, 0}};
  assert_true(one_sum(0, together, ones, 3) == 0x1p24f);
  /* To even: 2^24 + 2 + 1 is half-way too, and 2^24 + 4 is the even one. */
  const float up[3][2] = {{0x1p24f, 0}, {2, 0}, {1, 0}};
  assert_true(one_sum(0, up, ones, 3) == 0x1p24f + 4);
  /* The chains begin at zero; their sum comes to what was there. */
  const float two[2][2] = {{1, 0}, {0, 1}};
  assert_true(one_sum(0x1p24f, two, ones, 2) == 0x1p24f + 2);
  /* A product is not rounded before it is added: 1 - (1 + 2^-7)^2 = -2^-6 - 2^-14. */
  const float a[2][2] = {{1, 0}, {-1.0078125f, 0}}, b[2][2] = {{1, 0}, {1.0078125f, 0}};
  assert_true(one_sum(0, a, b, 2) == -0x1p-6f - 0x1p-14f);
}

static void denormals_are_zero(void **state) {
  (void)state;
  const float one[1][2] = {{1, 0}}, denormal[1][2] = {{0x1p-127f, 0}};
  const float least[1][2] = {{0x1p-126f, 0}}, half[1][2] = {{0.5f, 0}};
  assert_true(one_sum(0, denormal, one, 1) == 0);
  assert_true(one_sum(0, one, denormal, 1) == 0);
  assert_true(one_sum(0, least, one, 1) == FLT_MIN);
  assert_true(one_sum(0, least, half, 1) == 0);
  const float minus[1][2] = {{-0x1p-126f, 0}};
  assert_true(one_sum(0x1.8p-126f, minus, one, 1) == 0); /* 2^-127 is left */
  assert_true(one_sum(0x1p-130f, least, one, 1) == FLT_MIN);
}

static void what_is_no_number_stays(void **state) {
  (void)state;
  const float one[1][2] = {{1, 0}}, nan[1][2] = {{NAN, 0}}, inf[1][2] = {{INFINITY, 0}};
  assert_true(isnan(one_sum(0, nan, one, 1)));
  assert_true(isnan(one_sum(NAN, one, one, 1)));
  assert_true(one_sum(0, inf, one, 1) == INFINITY);
  assert_true(isnan(one_sum(-INFINITY, inf, one, 1)));
}

/* ---- rows and strides ---- */

static void rows_beyond_a_tile_stay(void **state) {
  (void)state;
  unsigned char in[M][96], out[M + 1][96];
  gm_rng rng = {5};
  random_bytes(in, sizeof in, &rng);
  memset(out, 7, sizeof out);
  config c = small();
  load(&c);
  _tile_loadd(1, in[M - 1], -(long)sizeof in[0]);
  _tile_stored(1, out, sizeof out[0]);
  _tile_release();
  assert_null(gm_tile_model_fault());
  for (size_t r = 0; r <= M; r++)
    for (size_t i = 0; i < 96; i++)
      assert_int_equal(out[r][i], r < M && i < K ? in[M - 1 - r][i] : 7);
}

/* ---- faults ---- */

static void bad_configurations_are_refused(void **state) {
  (void)state;
  _Alignas(64) config c;
#define REFUSED(change, part)                                                                  \
  c = small();                                                                                 \
  change;                                                                                      \
  _tile_loadconfig(&c);                                                                        \
  fails(part);                                                                                 \
  assert_int_equal(gm_tile_model_in_use(), 0)
  REFUSED(c.palette = 2, "palette");
  REFUSED(c.first_row = 1, "first row");
  REFUSED(c.reserved[13] = 1, "reserved");
  REFUSED(c.reserved_colsb[0] = 1, "reserved");
  REFUSED(c.reserved_rows[7] = 1, "reserved");
  REFUSED(c.colsb[1] = 65, "longer");
  REFUSED(c.rows[1] = 17, "more rows");
  REFUSED(c.rows[1] = 0, "not both");
  REFUSED(c.colsb[1] = 0, "not both");
#undef REFUSED
}

static void unconfigured_tiles_are_refused(void **state) {
  (void)state;
  unsigned char room[16][64] = {{0}};
  _tile_zero(0);
  fails("without a configuration");
  config c = small();
  load(&c);
  _tile_zero(7);
  fails("not configured");
  _tile_zero(8);
  fails("no tile of this number");
  _tile_loadd(7, room, 64);
  fails("not configured");
  assert_int_equal(gm_tile_model_in_use(), 1);
  _tile_release();
  assert_int_equal(gm_tile_model_in_use(), 0);
  _tile_loadd(0, room, 64);
  fails("without a configuration");
  _tile_stored(0, room, 64);
  fails("without a configuration");
  _tile_dpbssd(0, 1, 2);
  fails("without a configuration");
  load(&c);
  c.palette = 0;
  _tile_loadconfig(&c); /* as a release */
  assert_int_equal(gm_tile_model_in_use(), 0);
}

static void shapes_that_do_not_fit_are_refused(void **state) {
  (void)state;
  unsigned char room[16][64] = {{0}};
  config c = small();
  load(&c);
  _tile_dpbssd(0, 1, 1);
  fails("are the same");
  _tile_dpbf16ps(0, 0, 2);
  fails("are the same");
  _tile_dpbssd(0, 3, 2);
  fails("differ in rows");
  _tile_dpbssd(3, 4, 2);
  fails("differ in depth");
  c.rows[0] = c.rows[1] = 16;
  c.colsb[1] = K;
  c.colsb[0] = 64;
  load(&c);
  _tile_dpbf16ps(0, 1, 2);
  fails("differ in columns");
  c = small();
  c.colsb[1] = K - 1;
  load(&c);
  _tile_dpbssd(0, 1, 2);
  fails("four bytes");
  _tile_loadd(3, room, 63);
  fails("overlap");
  _tile_stored(3, room, -63);
  fails("overlap");
  _tile_release();
}

static void configurations_come_back(void **state) {
  (void)state;
  config c = small(), got;
  load(&c);
  _tile_storeconfig(&got);
  assert_memory_equal(&got, &c, sizeof c);
  _tile_release();
  _tile_storeconfig(&got);
  c = (config){0};
  assert_memory_equal(&got, &c, sizeof c);
}

int main(void) {
  gm_tile_model_catch();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_are_summed),
      cmocka_unit_test(bf16_is_rounded_as_the_manual_says),
      cmocka_unit_test(denormals_are_zero),
      cmocka_unit_test(what_is_no_number_stays),
      cmocka_unit_test(rows_beyond_a_tile_stay),
      cmocka_unit_test(bad_configurations_are_refused),
      cmocka_unit_test(unconfigured_tiles_are_refused),
      cmocka_unit_test(shapes_that_do_not_fit_are_refused),
      cmocka_unit_test(configurations_come_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
