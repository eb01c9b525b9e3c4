/* test_kv_cache.c - blocks shared between sequences: written values are found through the
 * spans, forks do not change each other, and nothing leaks (the sanitizers check). */
#include "support.h"

#include "kv_cache.h"

#include <stdlib.h>

enum { LAYERS = 2, HEADS = 3, DIM = 4, ROW = HEADS * DIM };

static const gm_kv_shape shape = {LAYERS, HEADS, DIM, GM_TYPE_F32, GM_TYPE_F32};

/* The number stored at a place; exact in f32. */
static float value(size_t layer, size_t position, size_t i, bool key) {
  return (float)(position % 100) + (float)i / 16 + (key ? 512 : 0) + (layer ? 1024 : 0);
}

/* Appends t positions whose values begin at those of `label`. */
static void append(gm_kv_seq *seq, size_t label, size_t t) {
  float *k = malloc(t * ROW * sizeof *k), *v = malloc(t * ROW * sizeof *v);
  assert_non_null(k);
  assert_non_null(v);
  gm_error err;
  size_t first = seq->n;
  assert_ok(gm_kv_extend(seq, t, &err), &err);
  for (size_t layer = 0; layer < LAYERS; layer++) {
    for (size_t i = 0; i < t * ROW; i++) {
      k[i] = value(layer, label + i / ROW, i % ROW, true);
      v[i] = value(layer, label + i / ROW, i % ROW, false);
    }
    gm_kv_write(seq, &gm_kernels_best()->rows, layer, first, k, v, t);
  }
  free(k);
  free(v);
}

/* Fails unless positions [at, at + n) hold the values from `label` on. */
static void expect(const gm_kv_seq *seq, size_t at, size_t n, size_t label) {
  gm_kv_span *spans = malloc((seq->n_parts + 1) * sizeof *spans);
  assert_non_null(spans);
  for (size_t layer = 0; layer < LAYERS; layer++) {
    size_t n_spans = gm_kv_spans(seq, layer, 0, seq->n, spans), position = 0;
    for (size_t s = 0; s < n_spans; s++)
      for (size_t t = 0; t < spans[s].n; t++, position++) {
        if (position < at || position >= at + n) continue;
        for (size_t i = 0; i < ROW; i++) {
          size_t offset = t * spans[s].row + i / DIM * spans[s].head + i % DIM;
          float k = ((const float *)spans[s].k)[offset],
                v = ((const float *)spans[s].v)[offset];
          assert_true(k == value(layer, label + position - at, i, true));
          assert_true(v == value(layer, label + position - at, i, false));
        }
      }
    assert_int_equal(position, seq->n);
  }
  free(spans);
}

static void finds_what_was_written(void **state) {
  (void)state;
  gm_kv_seq seq = {.shape = shape};
  append(&seq, 0, 300); /* one long block */
  append(&seq, 300, 1);
  append(&seq, 301, 200); /* fills a block and begins another */
  assert_int_equal(seq.n, 501);
  expect(&seq, 0, 501, 0);
  gm_kv_clear(&seq);
  assert_int_equal(seq.n, 0);
}

static void forks_go_their_own_ways(void **state) {
  (void)state;
  gm_error err;
  gm_kv_seq parent = {.shape = shape}, child, grandchild;
  append(&parent, 0, 50);
  assert_ok(gm_kv_fork(&child, &parent, &err), &err);
  append(&parent, 500, 10);
  append(&child, 700, 10);
  assert_ok(gm_kv_fork(&grandchild, &child, &err), &err);
  append(&grandchild, 900, 3);
  append(&child, 710, 140);
  expect(&parent, 0, 50, 0);
  expect(&parent, 50, 10, 500);
  expect(&child, 0, 50, 0);
  expect(&child, 50, 150, 700);
  expect(&grandchild, 50, 10, 700);
  expect(&grandchild, 60, 3, 900);
  gm_kv_clear(&parent); /* the others keep the shared blocks */
  expect(&child, 0, 50, 0);
  expect(&child, 50, 150, 700);
  gm_kv_clear(&child);
  expect(&grandchild, 0, 50, 0);
  append(&grandchild, 903, 200);
  expect(&grandchild, 60, 203, 900);
  gm_kv_clear(&grandchild);
}

static void goes_back(void **state) {
  (void)state;
  gm_error err;
  gm_kv_seq seq = {.shape = shape}, other;
  append(&seq, 0, 130);
  append(&seq, 130, 130);
  assert_ok(gm_kv_fork(&other, &seq, &err), &err);
  gm_kv_truncate(&seq, 70); /* inside a block that the fork still has */
  append(&seq, 1000, 90);
  expect(&seq, 0, 70, 0);
  expect(&seq, 70, 90, 1000);
  expect(&other, 0, 260, 0);
  gm_kv_truncate(&other, 260); /* nothing */
  gm_kv_truncate(&other, 0);
  append(&other, 40, 5);
  expect(&other, 0, 5, 40);
  gm_kv_clear(&seq);
  gm_kv_clear(&other);
}

/* A fork may be taken before its parent's positions are written. */
static void forks_see_what_is_written_later(void **state) {
  (void)state;
  gm_error err;
  gm_kv_seq parent = {.shape = shape}, child;
  append(&parent, 0, 100);
  assert_ok(gm_kv_extend(&parent, 60, &err),
            &err); /* 28 in the first block, the rest after it */
  assert_ok(gm_kv_fork(&child, &parent, &err), &err);
  assert_ok(gm_kv_extend(&child, 2, &err), &err);
  float rows[60 * ROW];
  for (size_t layer = 0; layer < LAYERS; layer++) {
    float v[60 * ROW];
    for (size_t i = 0; i < 60 * ROW; i++) {
      rows[i] = value(layer, 300 + i / ROW, i % ROW, true);
      v[i] = value(layer, 300 + i / ROW, i % ROW, false);
    }
    gm_kv_write(&parent, &gm_kernels_best()->rows, layer, 100, rows, v, 60);
    gm_kv_write(&child, &gm_kernels_best()->rows, layer, 160, rows, v, 2);
  }
  expect(&child, 0, 100, 0);
  expect(&child, 100, 60, 300);
  expect(&child, 160, 2, 300);
  expect(&parent, 100, 60, 300);
  assert_int_equal(gm_kv_common(&parent, &child), 160);
  gm_kv_clear(&parent);
  gm_kv_clear(&child);
}

static void half_precision_rounds_to_nearest(void **state) {
  (void)state;
  gm_kv_seq seq = {.shape = {LAYERS, HEADS, DIM, GM_TYPE_F16, GM_TYPE_F16}};
  append(&seq, 7, 2);
  gm_kv_span span;
  assert_int_equal(gm_kv_spans(&seq, 1, 0, seq.n, &span), 1);
  assert_int_equal(span.n, 2);
  for (size_t i = 0; i < ROW; i++) {
    size_t offset = span.row + i / DIM * span.head + i % DIM;
    float k = gm_f16_to_f32(((const uint16_t *)span.k)[offset]);
    assert_true(k == gm_f16_to_f32(gm_f32_to_f16(value(1, 8, i, true))));
  }
  gm_kv_clear(&seq);
}

/* Each type has its own plane; an odd number of blocks must not misplace the floats after it.
 */
static void keys_and_values_may_differ_in_type(void **state) {
  (void)state;
  enum { WIDE = 96, T = 129 }; /* 3 blocks a position, and one position more than a block has */
  gm_kv_seq seq = {.shape = {LAYERS, 1, WIDE, GM_TYPE_Q8_0, GM_TYPE_F32}};
  float *k = malloc(T * WIDE * sizeof *k), *v = malloc(T * WIDE * sizeof *v);
  assert_non_null(k);
  assert_non_null(v);
  gm_error err;
  assert_ok(gm_kv_extend(&seq, T, &err), &err);
  for (size_t layer = 0; layer < LAYERS; layer++) {
    for (size_t i = 0; i < T * WIDE; i++) {
      k[i] = (float)((i * 31 + layer) % 255) - 127;
      v[i] = (float)(i + layer);
    }
    gm_kv_write(&seq, &gm_kernels_best()->rows, layer, 0, k, v, T);
  }
  gm_kv_span span;
  assert_int_equal(gm_kv_spans(&seq, LAYERS - 1, 0, seq.n, &span), 1);
  assert_memory_equal(span.v, v, T * WIDE * sizeof *v);
  float got[WIDE];
  for (size_t t = 0; t < T; t++) {
    const gm_block_q8_0 *blocks = (const gm_block_q8_0 *)span.k + t * WIDE / 32;
    gm_type_traits_of(GM_TYPE_Q8_0)->to_float(got, blocks, WIDE);
    /* Half a step of at most 1, and the scale in half precision. */
    for (size_t i = 0; i < WIDE; i++)
      assert_float_equal(got[i], k[t * WIDE + i], 0.5 + 127.0 / 2048);
  }
  gm_kv_clear(&seq);
  free(k);
  free(v);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_what_was_written),
      cmocka_unit_test(forks_go_their_own_ways),
      cmocka_unit_test(forks_see_what_is_written_later),
      cmocka_unit_test(goes_back),
      cmocka_unit_test(half_precision_rounds_to_nearest),
      cmocka_unit_test(keys_and_values_may_differ_in_type),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
