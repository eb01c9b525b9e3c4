/* test_sampler.c - greedy choice, temperature, top-k, top-p and seeds, by arithmetic by hand.
 */
#include "support.h"

#include "sampler.h"

#include <math.h>

enum { N = 5, DRAWS = 20000 };

/* Probabilities 1/2, 1/4, 1/8, 1/16, 1/16 at temperature 1. */
static const float logits[N] = {-2.079441542f, 0, -1.386294361f, -0.693147181f, -2.079441542f};
static const double probability[N] = {1 / 16.0, 1 / 2.0, 1 / 8.0, 1 / 4.0, 1 / 16.0};

static void draw(const gm_sampling *params, uint64_t stream, size_t counts[N]) {
  gm_error err;
  gm_sampler sampler;
  assert_ok(gm_sampler_init(&sampler, params, stream, N, &err), &err);
  for (size_t i = 0; i < N; i++) counts[i] = 0;
  for (int i = 0; i < DRAWS; i++) {
    int32_t id = gm_sample(&sampler, logits);
    assert_in_range(id, 0, N - 1);
    counts[id]++;
  }
  gm_sampler_clear(&sampler);
}

/* Five standard deviations of a binomial count: one failure in a million seeds. */
static void expect_share(size_t count, double p) {
  double mean = DRAWS * p, deviation = sqrt(DRAWS * p * (1 - p));
  assert_true(fabs((double)count - mean) <= 5 * deviation);
}

static void greedy_takes_the_first_of_the_largest(void **state) {
  (void)state;
  const float equal[] = {1, 3, 3, 2}, with_nan[] = {NAN, 1, NAN, 2, -INFINITY};
  assert_int_equal(gm_argmax(equal, 4), 1);
  assert_int_equal(gm_argmax(with_nan, 5), 3);
  assert_int_equal(gm_argmax((const float[]){NAN, NAN}, 2), 0);
  size_t counts[N];
  draw(&(gm_sampling){.seed = 3}, 0, counts);
  assert_int_equal(counts[1], DRAWS);
}

static void draws_follow_the_softmax(void **state) {
  (void)state;
  size_t counts[N];
  draw(&(gm_sampling){.temperature = 1, .seed = 11}, 0, counts);
  for (size_t i = 0; i < N; i++) expect_share(counts[i], probability[i]);
  /* temperature 1/2 squares the ratios: 1/4, 1/16, 1/64, 1/256 twice, of 86/256 */
  draw(&(gm_sampling){.temperature = 0.5f, .seed = 11}, 0, counts);
  for (size_t i = 0; i < N; i++)
    expect_share(counts[i], probability[i] * probability[i] * 256 / 86);
}

static void top_k_keeps_the_largest(void **state) {
  (void)state;
  size_t counts[N];
  draw(&(gm_sampling){.temperature = 1, .top_k = 2, .seed = 5}, 0, counts);
  expect_share(counts[1], 2 / 3.0);
  assert_int_equal(counts[1] + counts[3], DRAWS);
  draw(&(gm_sampling){.temperature = 1, .top_k = 1, .seed = 5}, 0, counts);
  assert_int_equal(counts[1], DRAWS);
  draw(&(gm_sampling){.temperature = 1, .top_k = 99, .seed = 5}, 0, counts);
  for (size_t i = 0; i < N; i++) expect_share(counts[i], probability[i]);
}

static void top_p_keeps_the_fewest_that_reach_it(void **state) {
  (void)state;
  size_t counts[N];
  /* 1/2 + 1/4 reaches 0.7; 1/2 alone reaches 0.4 */
  draw(&(gm_sampling){.temperature = 1, .top_p = 0.7f, .seed = 7}, 0, counts);
  expect_share(counts[1], 2 / 3.0);
  assert_int_equal(counts[1] + counts[3], DRAWS);
  draw(&(gm_sampling){.temperature = 1, .top_p = 0.4f, .seed = 7}, 0, counts);
  assert_int_equal(counts[1], DRAWS);
  /* after top_k 3: 4/7, 2/7, 1/7; two reach 0.8 */
  draw(&(gm_sampling){.temperature = 1, .top_k = 3, .top_p = 0.8f, .seed = 7}, 0, counts);
  assert_int_equal(counts[1] + counts[3], DRAWS);
}

static void seeds_and_streams_repeat_and_differ(void **state) {
  (void)state;
  size_t first[N], again[N], other_seed[N], other_stream[N];
  gm_sampling params = {.temperature = 1, .seed = 21};
  draw(&params, 0, first);
  draw(&params, 0, again);
  draw(&params, 1, other_stream);
  params.seed = 22;
  draw(&params, 0, other_seed);
  assert_memory_equal(first, again, sizeof first);
  assert_memory_not_equal(first, other_seed, sizeof first);
  assert_memory_not_equal(first, other_stream, sizeof first);
}

static void extremes_stay_finite(void **state) {
  (void)state;
  gm_error err;
  gm_sampler sampler;
  assert_ok(gm_sampler_init(&sampler, &(gm_sampling){.temperature = 1e-38f}, 0, N, &err), &err);
  const float wild[N] = {1e30f, -1e30f, NAN, 3e38f, -INFINITY};
  for (int i = 0; i < 100; i++) assert_int_equal(gm_sample(&sampler, wild), 3);
  const float nothing[N] = {NAN, NAN, NAN, NAN, NAN};
  assert_in_range(gm_sample(&sampler, nothing), 0, N - 1);
  gm_sampler_clear(&sampler);
  assert_int_equal(gm_sampler_init(&sampler, &(gm_sampling){.temperature = -1}, 0, N, &err),
                   GM_ERR_ARGUMENT);
  assert_int_equal(gm_sampler_init(&sampler, &(gm_sampling){.temperature = NAN}, 0, N, &err),
                   GM_ERR_ARGUMENT);
  assert_int_equal(gm_sampler_init(&sampler, &(gm_sampling){.top_p = 1.5f}, 0, N, &err),
                   GM_ERR_ARGUMENT);
}

static void softmax_among_a_few(void **state) {
  (void)state;
  const int32_t ids[] = {3, 1};
  float share[2];
  gm_softmax_among(share, logits, ids, 2);
  assert_close(share, ((const float[]){1 / 3.0f, 2 / 3.0f}), 2, 1e-6, "shares");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(greedy_takes_the_first_of_the_largest),
      cmocka_unit_test(draws_follow_the_softmax),
      cmocka_unit_test(top_k_keeps_the_largest),
      cmocka_unit_test(top_p_keeps_the_fewest_that_reach_it),
      cmocka_unit_test(seeds_and_streams_repeat_and_differ),
      cmocka_unit_test(extremes_stay_finite),
      cmocka_unit_test(softmax_among_a_few),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
