/* test_batches.c - the order in which an epoch sees its pictures: permutations, chunks of one
 * set, shares, and going on from a saved place. */
#include "support.h"

#include "batches.h"

#include <stdlib.h>
#include <string.h>

static gm_error err;

enum { CHUNK = 4, SETS = 3 };
static const size_t sizes[SETS] = {22, 9, 3};

static gm_batches *made(const double *shares, uint64_t seed) {
  gm_batches *b;
  assert_ok(gm_batches_create(&b, sizes, shares, SETS, CHUNK, seed, &err), &err);
  return b;
}

static void an_epoch_has_each_picture_once(void **state) {
  (void)state;
  gm_batches *b = made(NULL, 1);
  assert_int_equal(gm_batches_chunks(b), 5 + 2 + 0);
  assert_int_equal(gm_batches_pictures(b), 34);
  gm_visit first[7 * CHUNK], visits[CHUNK];
  int other_order = 0, other_sets = 0;
  for (uint64_t epoch = 0; epoch < 3; epoch++) {
    int seen[SETS][22] = {{0}}, per_set[SETS] = {0};
    for (size_t c = 0; c < 7; c++) {
      gm_place place = gm_batches_place(b);
      assert_true(place.epoch == epoch && place.chunk == c);
      gm_batches_next(b, visits);
      for (size_t i = 0; i < CHUNK; i++) {
        assert_int_equal(visits[i].set, visits[0].set);
        assert_int_equal(visits[i].epoch, epoch);
        assert_true(visits[i].picture < sizes[visits[i].set]);
        assert_int_equal(seen[visits[i].set][visits[i].picture]++, 0);
        per_set[visits[i].set]++;
        if (epoch == 0) first[c * CHUNK + i] = visits[i];
        other_order += visits[i].picture != first[c * CHUNK + i].picture;
        other_sets += visits[i].set != first[c * CHUNK + i].set;
      }
    }
    assert_int_equal(per_set[0], 20);
    assert_int_equal(per_set[1], 8);
  }
  assert_true(other_order > 20 && other_sets > 0); /* each epoch is drawn anew */
  gm_batches_free(b);
}

static void a_share_is_drawn_once(void **state) {
  (void)state;
  static const double shares[SETS] = {0.5, 1, 1};
  gm_batches *b = made(shares, 5), *other = made(shares, 6);
  assert_int_equal(gm_batches_chosen(b, 0), 11);
  assert_int_equal(gm_batches_chunks(b), 2 + 2);
  int seen[22] = {0}, n = 0, seen_other[22] = {0}, differ = 0;
  for (int c = 0; c < 4 * 40; c++) { /* in 40 epochs each of the 11 comes */
    gm_visit v[CHUNK];
    gm_batches_next(b, v);
    for (size_t i = 0; i < CHUNK && v[0].set == 0; i++) seen[v[i].picture] = 1;
    gm_batches_next(other, v);
    for (size_t i = 0; i < CHUNK && v[0].set == 0; i++) seen_other[v[i].picture] = 1;
  }
  for (size_t i = 0; i < 22; i++) {
    n += seen[i];
    differ += seen[i] != seen_other[i];
  }
  assert_int_equal(n, 11);
  assert_true(differ > 0);
  gm_batches_free(b);
  gm_batches_free(other);
}

static void a_place_is_gone_on_from(void **state) {
  (void)state;
  gm_batches *b = made(NULL, 2), *resumed = made(NULL, 2);
  gm_visit v[CHUNK], w[CHUNK];
  for (int c = 0; c < 17; c++) gm_batches_next(b, v);
  assert_ok(gm_batches_seek(resumed, gm_batches_place(b), &err), &err);
  for (int c = 0; c < 20; c++) {
    gm_batches_next(b, v);
    gm_batches_next(resumed, w);
    for (size_t i = 0; i < CHUNK; i++)
      assert_true(v[i].set == w[i].set && v[i].picture == w[i].picture &&
                  v[i].epoch == w[i].epoch);
  }
  assert_int_equal(gm_batches_seek(b, (gm_place){0, 7}, &err), GM_ERR_ARGUMENT);
  gm_batches_free(b);
  gm_batches_free(resumed);
}

static void too_few_pictures_are_refused(void **state) {
  (void)state;
  gm_batches *b;
  assert_int_equal(gm_batches_create(&b, sizes + 2, NULL, 1, CHUNK, 0, &err), GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "as many pictures as a chunk (4; all together 3)"));
  assert_null(b);
}

static void visits_draw_their_own_numbers(void **state) {
  (void)state;
  gm_visit v = {1, 2, 3};
  gm_rng a = gm_visit_rng(9, v), again = gm_visit_rng(9, v);
  assert_true(gm_rng_u64(&a) == gm_rng_u64(&again));
  gm_visit others[3] = {{0, 2, 3}, {1, 0, 3}, {1, 2, 0}};
  for (int i = 0; i < 3; i++)
    assert_true(gm_visit_rng(9, others[i]).state != gm_visit_rng(9, v).state);
  assert_true(gm_visit_rng(8, v).state != gm_visit_rng(9, v).state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_epoch_has_each_picture_once),
      cmocka_unit_test(a_share_is_drawn_once),
      cmocka_unit_test(a_place_is_gone_on_from),
      cmocka_unit_test(too_few_pictures_are_refused),
      cmocka_unit_test(visits_draw_their_own_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
