/* test_bench_kernels.c - gm_bench_kernels: every instruction set and type is timed, and the
 * figures are consistent. */
#include "interface.h"
#include "kernels.h"

#include <string.h>

static bool has_stage(const gm_bench_report *r, const char *stage, const char *kernels) {
  for (size_t i = 0; i < r->n_stages; i++) {
    gm_bench_stage s = bench_stage(r, i);
    if (strcmp(s.stage, stage) == 0 && strncmp(s.kernels, kernels, strlen(kernels)) == 0)
      return true;
  }
  return false;
}

static void everything_is_timed(void **state) {
  (void)state;
  gm_error err;
  gm_bench_report *r;
  gm_bench_params params = {.struct_size = sizeof params, .threads = 1, .repeat = 2};
  assert_ok(gm_bench_kernels(&r, &params, NULL, &err), &err);
  assert_int_equal(r->threads, 1);
  static const char *const stages[] = {"gemm f32",  "gemm f16",  "gemm bf16", "gemm q8_0",
                                       "gemm q4_0", "gemm q4_k", "gemm q6_k", "layer_norm"};
  const gm_kernels *table;
  for (size_t t = 0; (table = gm_kernels_at(t)) != NULL; t++)
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++)
      assert_true(has_stage(r, stages[i], table->name));
  for (size_t i = 0; i < r->n_stages; i++) {
    gm_bench_stage s = bench_stage(r, i);
    assert_true(s.seconds_min > 0 && s.seconds_min <= s.seconds_median);
    assert_true(s.operations > 0 && s.bytes > 0);
    assert_true((s.share > 0) == (s.limit[0] != 0));
  }
  gm_bench_report_free(r);
}

/* Asks for some stages, one of them a product: each table has its own limits. */
static void some_are_timed(void **state) {
  (void)state;
  gm_error err;
  gm_bench_report *r;
  gm_bench_params params = {
      .struct_size = sizeof params, .repeat = 1, .stages = "gemm q4_0,add"};
  assert_ok(gm_bench_kernels(&r, &params, NULL, &err), &err);
  for (size_t i = 0; i < r->n_stages; i++) {
    gm_bench_stage s = bench_stage(r, i);
    assert_true(strcmp(s.stage, "gemm q4_0") == 0 || strcmp(s.stage, "add") == 0);
    assert_true((s.share > 0) == (strcmp(s.stage, "add") != 0));
  }
  assert_true(has_stage(r, "gemm q4_0", "ref") && has_stage(r, "add", "ref"));
  gm_bench_report_free(r);
  params.stages = "gemm q5_1";
  assert_int_equal(gm_bench_kernels(&r, &params, NULL, &err), GM_ERR_ARGUMENT);
}

static bool at_once(void *user) {
  (void)user;
  return true;
}

static void stops_when_asked(void **state) {
  (void)state;
  gm_error err;
  gm_bench_report *r;
  gm_callbacks callbacks = {.struct_size = sizeof callbacks, .cancelled = at_once};
  assert_int_equal(gm_bench_kernels(&r, NULL, &callbacks, &err), GM_ERR_CANCELLED);
  assert_null(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_is_timed),
      cmocka_unit_test(some_are_timed),
      cmocka_unit_test(stops_when_asked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
