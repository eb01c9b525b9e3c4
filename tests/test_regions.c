/* test_regions.c - the choice of regions on cases small enough to work out by hand. */
#include "support.h"

#include "regions.h"

#include <math.h>
#include <stdlib.h>

static const gm_region_rule rule = {
    .score_threshold = 0.15f, .nms_threshold = 0.5f, .max_regions = 100};

/* A box of the grid: column x of width 0.1. They touch, and do not overlap. */
static gm_rel_box column(int x) {
  return (gm_rel_box){0.1f * (float)x + 0.05f, 0.5f, 0.1f, 1.0f};
}

/* Horizontal strips [0, 1] x [y1, y2]. */
static gm_rel_box strip(float y1, float y2) {
  return (gm_rel_box){0.5f, (y1 + y2) / 2, 1, y2 - y1};
}

static void assert_chosen(const gm_rel_box *boxes, const float *scores, size_t n,
                          const gm_region_rule *r, const uint32_t *want, size_t n_want) {
  uint32_t chosen[16];
  assert_in_range(n, 0, 16);
  assert_int_equal(gm_regions_choose(boxes, scores, n, r, chosen), n_want);
  for (size_t i = 0; i < n_want; i++) assert_int_equal(chosen[i], want[i]);
}

static void score(void **state) {
  (void)state;
  /* sigmoid(0) = 1/2, sigmoid(ln 3) = 3/4, sigmoid(-ln 3) = 1/4; a few roundings of f32. */
  assert_float_equal(gm_region_score(0, 0), 0.5, 1e-6);
  assert_float_equal(gm_region_score(logf(3), logf(3)), 0.75, 1e-6);
  float mixed = powf(0.75f, 0.4f) * powf(0.25f, 0.6f);
  assert_float_equal(gm_region_score(logf(3), -logf(3)), mixed, 1e-6);
  assert_float_equal(gm_region_score(-200, 200), 0, 1e-6);
  assert_float_equal(gm_region_score(200, 200), 1, 1e-6);
}

static void iou(void **state) {
  (void)state;
  gm_rel_box whole = {0.5f, 0.5f, 1, 1}, half = {0.25f, 0.5f, 0.5f, 1};
  assert_true(gm_region_iou(whole, whole) == 1);
  assert_true(gm_region_iou(whole, half) == 0.5f);
  assert_true(gm_region_iou(half, whole) == 0.5f);
  assert_true(gm_region_iou(column(1), column(7)) == 0);
  /* Not clipped: [-1, 1] and [0, 2] share [0, 1] of [-1, 2]. */
  gm_rel_box left = {0, 0.5f, 2, 1}, right = {1, 0.5f, 2, 1};
  assert_float_equal(gm_region_iou(left, right), 1.0 / 3, 1e-6);
  gm_rel_box point = {0.5f, 0.5f, 0, 0};
  assert_true(gm_region_iou(point, point) == 0);
  assert_true(gm_region_iou(point, whole) == 0);
}

static void falling_score_over_threshold(void **state) {
  (void)state;
  gm_rel_box boxes[4] = {column(0), column(2), column(4), column(6)};
  /* A score that equals the threshold is dropped. */
  float scores[4] = {0.2f, 0.15f, 0.9f, 0.4f};
  assert_chosen(boxes, scores, 4, &rule, (uint32_t[]){2, 3, 0}, 3);
  gm_region_rule two = rule;
  two.max_regions = 2;
  assert_chosen(boxes, scores, 4, &two, (uint32_t[]){2, 3}, 2);
}

static void equal_scores_keep_their_order(void **state) {
  (void)state;
  gm_rel_box boxes[5] = {column(0), column(2), column(4), column(6), column(8)};
  float scores[5] = {0.5f, 1, 0.5f, 1, 0.5f};
  assert_chosen(boxes, scores, 5, &rule, (uint32_t[]){1, 3, 0, 2, 4}, 5);
  /* Twice the same box at the same score: the first stays. */
  gm_rel_box twins[3] = {column(0), column(0), column(2)};
  float ones[3] = {1, 1, 1};
  assert_chosen(twins, ones, 3, &rule, (uint32_t[]){0, 2}, 2);
}

/* A million scores: rising, falling, of ten values, and all one. A sort that is quadratic in
 * any of them would not end within the test's time. Boxes of no area suppress nothing. */
static void long_lists_are_sorted(void **state) {
  (void)state;
  enum { N = 1000000 };
  const gm_region_rule all = {
      .score_threshold = 0.15f, .nms_threshold = 0.5f, .max_regions = 9};
  gm_rel_box *boxes = calloc(N, sizeof *boxes);
  float *scores = malloc(N * sizeof *scores);
  uint32_t *chosen = malloc(N * sizeof *chosen);
  for (int kind = 0; kind < 4; kind++) {
    for (size_t i = 0; i < N; i++) {
      size_t rank = kind == 0 ? N - 1 - i : kind == 1 ? i : kind == 2 ? i * 7 % 10 : 0;
      scores[i] = 1 - (float)rank / (1 << 21); /* exact in f32 */
    }
    assert_int_equal(gm_regions_choose(boxes, scores, N, &all, chosen), 9);
    for (uint32_t i = 0; i < 9; i++) {
      const uint32_t want[] = {N - 1 - i, i, i * 10, i};
      assert_int_equal(chosen[i], want[kind]);
    }
    for (size_t i = 10; i < N; i++) { /* the rest follows the kept ones, in order */
      float a = scores[chosen[i - 1]], b = scores[chosen[i]];
      if (a < b || (a == b && chosen[i - 1] > chosen[i])) fail_msg("kind %d: %zu", kind, i);
    }
  }
  free(boxes);
  free(scores);
  free(chosen);
}

static void suppression(void **state) {
  (void)state;
  /* IoU of whole and half is 1/2: equal to the threshold is kept. */
  gm_rel_box equal[2] = {strip(0, 1), strip(0, 0.5f)};
  float falling[3] = {0.9f, 0.8f, 0.7f};
  assert_chosen(equal, falling, 2, &rule, (uint32_t[]){0, 1}, 2);
  /* A chain: strips of height 1 moved by 1/4 overlap with IoU 3/5, by 1/2 with 1/3. The middle
   * one goes; what it would have suppressed stays. */
  gm_rel_box chain[3] = {strip(0, 1), strip(0.25f, 1.25f), strip(0.5f, 1.5f)};
  assert_chosen(chain, falling, 3, &rule, (uint32_t[]){0, 2}, 2);
  /* A referred box is last, with score 1, and suppresses the proposal that it covers. */
  gm_rel_box referred[3] = {strip(0, 1), column(3), strip(0.1f, 1)};
  float scores[3] = {0.9f, 0.5f, 1};
  assert_chosen(referred, scores, 3, &rule, (uint32_t[]){2, 1}, 2);
}

static void nothing_over_threshold(void **state) {
  (void)state;
  gm_rel_box boxes[3] = {column(0), column(2), column(4)};
  float low[3] = {0.01f, 0.1f, 0.1f};
  assert_chosen(boxes, low, 3, &rule, (uint32_t[]){1}, 1);
  assert_chosen(boxes, low, 0, &rule, NULL, 0);
}

static void not_a_number_is_never_chosen(void **state) {
  (void)state;
  gm_rel_box boxes[3] = {column(0), column(2), column(4)};
  float some[3] = {NAN, 0.5f, 0.9f};
  assert_chosen(boxes, some, 3, &rule, (uint32_t[]){2, 1}, 2);
  float low[3] = {NAN, 0.01f, NAN};
  assert_chosen(boxes, low, 3, &rule, (uint32_t[]){1}, 1);
}

static void referred_box_takes_the_best_overlap(void **state) {
  (void)state;
  gm_rel_box regions[3] = {strip(0, 0.5f), strip(0.25f, 1), strip(0.25f, 1)};
  assert_int_equal(gm_regions_referred(regions, 3, strip(0.2f, 1)), 1);
  assert_int_equal(gm_regions_referred(regions, 3, strip(0, 0.4f)), 0);
  /* Overlaps none: the first. */
  assert_int_equal(gm_regions_referred(regions, 3, strip(5, 6)), 0);
}

static void shuffle_is_a_permutation_of_the_seed(void **state) {
  (void)state;
  uint32_t first[64], again[64], other[64];
  for (uint32_t i = 0; i < 64; i++) first[i] = again[i] = other[i] = i;
  gm_regions_shuffle(first, 64, 7);
  gm_regions_shuffle(again, 64, 7);
  gm_regions_shuffle(other, 64, 8);
  uint64_t seen = 0;
  for (int i = 0; i < 64; i++) seen |= UINT64_C(1) << first[i];
  assert_true(seen == UINT64_MAX);
  assert_memory_equal(first, again, sizeof first);
  assert_memory_not_equal(first, other, sizeof first);
  gm_regions_shuffle(first, 0, 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(score),
      cmocka_unit_test(iou),
      cmocka_unit_test(falling_score_over_threshold),
      cmocka_unit_test(equal_scores_keep_their_order),
      cmocka_unit_test(long_lists_are_sorted),
      cmocka_unit_test(suppression),
      cmocka_unit_test(nothing_over_threshold),
      cmocka_unit_test(not_a_number_is_never_chosen),
      cmocka_unit_test(referred_box_takes_the_best_overlap),
      cmocka_unit_test(shuffle_is_a_permutation_of_the_seed),
  };
  return cmocka_run_group_tests_name("regions", tests, NULL, NULL);
}
