/* test_quantiser_golden.c - our Q4_K and Q6_K against ggml's own quantiser on the same rows:
 * the error after dequantising may be at most 1.01 times ggml's
 * (tests/data/golden-quant/ggml.json, made by tests/python/quantiser_golden.py). */
#include "checkpoint.h"
#include "rng.h"
#include "support.h"
#include "types.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 16 * 1024, SUMMANDS = 12 };

/* 24 random bits in [0, 1): exact in f32. */
static float uniform(gm_rng *rng) {
  return (float)(gm_rng_u64(rng) >> 40) * 0x1p-24f;
}

/* The sum of 12 uniform numbers minus 6, summed from the left as numpy does. */
static float normal(gm_rng *rng) {
  float sum = 0;
  for (int k = 0; k < SUMMANDS; k++) sum += uniform(rng);
  return sum - 6;
}

/* The row sets of the script by name; false for any other name. */
static bool make_rows(const char *name, float *x) {
  gm_rng values = {1}, other = {2}, outliers = {3}, holes = {4};
  bool known = false;
  for (size_t i = 0; i < N; i++) {
    float v = normal(&values), u = uniform(&other), rare = uniform(&outliers),
          often = uniform(&holes);
    const struct {
      const char *name;
      float value;
    } sets[] = {
        {"normal", v},
        {"uniform", u},
        {"outliers", rare < 1.0f / 64 ? v * 16 : v},
        {"one-sided", fabsf(v) + 1},
        {"cubed", v * v * v},
        {"tiny", v * 0x1p-14f},
        {"sparse", often < 0.9f ? 0 : v},
    };
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++)
      if (strcmp(sets[s].name, name) == 0) {
        x[i] = sets[s].value;
        known = true;
      }
  }
  return known;
}

/* "clip-mini/tensor.name": the first n values of that tensor. */
static void read_rows(const char *name, float *x, size_t n) {
  const char *slash = strchr(name, '/');
  assert_non_null(slash);
  char folder[1024];
  const char *root = strncmp(name, "groma", 5) == 0 ? GM_TEST_DATA "/models" : GM_MODELS;
  snprintf(folder, sizeof folder, "%s/%.*s", root, (int)(slash - name), name);
  gm_checkpoint *c;
  gm_error err = {0};
  assert_ok(gm_checkpoint_open(&c, folder, &err), &err);
  size_t i = gm_checkpoint_find(c, slash + 1);
  if (i == SIZE_MAX) fail_msg("no tensor %s", name);
  assert_ok(gm_checkpoint_read(c, i, 0, n, x, &err), &err);
  gm_checkpoint_close(c);
}

static double error_of(const float *x, size_t n, gm_type type) {
  const gm_type_traits *traits = gm_type_traits_of(type);
  void *packed = malloc(gm_type_row_bytes(type, n));
  float *back = malloc(n * sizeof *back);
  assert_true(packed && back);
  traits->from_float(packed, x, n);
  traits->to_float(back, packed, n);
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += ((double)back[i] - x[i]) * ((double)back[i] - x[i]);
  free(packed);
  free(back);
  return sqrt(sum / (double)n);
}

static void check_type(const char *rows, const float *x, size_t n, gm_type type,
                       json_t *golden_errors) {
  const char *name = gm_type_traits_of(type)->name;
  double theirs = json_real_value(json_object_get(golden_errors, name));
  double ours = error_of(x, n, type);
  assert_true(theirs > 0);
  print_message("%-60s %s: %.4f of ggml's\n", rows, name, ours / theirs);
  if (!(ours <= 1.01 * theirs))
    fail_msg("%s, %s: error %.9g, ggml has %.9g: %.4f times as much, allowed 1.01", rows, name,
             ours, theirs, ours / theirs);
}

static void test_error_is_not_above_ggmls(void **state) {
  (void)state;
  json_t *root = json_load_file(test_data("golden-quant/ggml.json"), 0, NULL);
  assert_non_null(root);
  const char *name;
  json_t *entry;
  json_object_foreach(json_object_get(root, "rows"), name, entry) {
    size_t n = (size_t)json_integer_value(json_object_get(entry, "n"));
    float *x = malloc((n > N ? n : N) * sizeof *x);
    assert_non_null(x);
    if (!make_rows(name, x)) read_rows(name, x, n);
    check_type(name, x, n, GM_TYPE_Q4_K, entry);
    check_type(name, x, n, GM_TYPE_Q6_K, entry);
    free(x);
  }
  json_decref(root);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_error_is_not_above_ggmls)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
