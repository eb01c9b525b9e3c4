/* test_presence_scores.c - the measures of eval ground --absent on cases reckoned by hand. */
#include "support.h"

#include "presence_scores.h"

#include <math.h>
#include <string.h>

static void expect(double got, double wanted) {
  if (!(fabs(got - wanted) < 1e-12)) fail_msg("found %.17g, wanted %.17g", got, wanted);
}

/* Bins: {0.05, 0} {0.15, 1} {0.95, 1, 1.0, 0}: |0.05 - 0| + |0.15 - 1| + |1.95 - 1|, over 4. */
static void test_calibration_error(void **state) {
  const presence_claim claims[] = {{0.05, false}, {0.15, true}, {0.95, true}, {1.0, false}};
  (void)state;
  expect(presence_ece(claims, 4), (0.05 + 0.85 + 0.95) / 4);
  expect(presence_ece(claims + 2, 1), 0.05);
  assert_true(isnan(presence_ece(claims, 0)));
}

/* 0.1 belongs to the second bin, with the wrong 0.19: together 0.29 against 1 right. */
static void test_a_bin_has_its_lower_end(void **state) {
  const presence_claim claims[] = {{0.1, true}, {0.19, false}, {0.09, true}};
  (void)state;
  expect(presence_ece(claims, 3), (0.71 + 0.91) / 3);
}

/* Right: 0.9, 0.5, 0.2. Wrong: 0.5, 0.1. Of 6 pairs 4 are in order, (0.5, 0.5) is half. */
static void test_area_under_the_curve(void **state) {
  presence_claim claims[] = {{0.9, true}, {0.5, false}, {0.5, true}, {0.1, false}, {0.2, true}};
  (void)state;
  expect(presence_auroc(claims, 5), 4.5 / 6);
  assert_true(isnan(presence_auroc(claims, 1)));
  assert_true(isnan(presence_auroc(claims, 0)));
}

static void test_correlation(void **state) {
  (void)state;
  expect(presence_mcc(6, 1, 3, 2), (6 * 3 - 1 * 2) / sqrt(7.0 * 8 * 4 * 5));
  expect(presence_mcc(4, 0, 5, 0), 1);
  expect(presence_mcc(0, 4, 0, 5), -1);
  expect(presence_mcc(4, 5, 0, 0), 0); /* all have a box */
}

/* Two true boxes, 10 x 10, side by side at x = 0 and x = 4. */
static const presence_truth truths[] = {{0, {0, 0, 10, 10}}, {0, {4, 0, 10, 10}}};

/* IoU of boxes 10 wide that are d apart: (10 - d) / (10 + d). The box at 2 is 2 from both. */
static void test_exact_answers(void **state) {
  const score_region both[] = {{{1, 0, 10, 10}, 1}, {{3, 0, 10, 10}, 1}},
                     one_off[] = {{{2, 0, 10, 10}, 1}, {{40, 0, 10, 10}, 1}},
                     half = {{0, 0, 10, 5}, 1}, less = {{0, 0, 10, 4.9}, 1};
  gm_error err = {0};
  bool exact;
  (void)state;
  assert_ok(presence_all_right(&exact, both, 2, truths, 2, &err), &err);
  assert_true(exact);
  assert_ok(presence_all_right(&exact, both, 1, truths, 2, &err), &err);
  assert_false(exact); /* one is missing */
  assert_ok(presence_all_right(&exact, both, 2, truths, 1, &err), &err);
  assert_false(exact); /* one too many */
  assert_ok(presence_all_right(&exact, one_off, 2, truths, 2, &err), &err);
  assert_false(exact);
  assert_ok(presence_all_right(&exact, &half, 1, truths, 1, &err), &err);
  assert_true(exact); /* IoU 0.5 */
  assert_ok(presence_all_right(&exact, &less, 1, truths, 1, &err), &err);
  assert_false(exact);
  assert_ok(presence_all_right(&exact, NULL, 0, NULL, 0, &err), &err);
  assert_true(exact); /* nothing there, nothing given */
}

/* The box at 3 overlaps the truths 7/13 and 9/11, the one at 5 5/15 and 9/11. First come would
 * give the truth at 4 to the first box and 5/15 to the second; the largest sum is 7/13 + 9/11.
 */
static void test_matching(void **state) {
  const score_region boxes[] = {{{3, 0, 10, 10}, 1}, {{5, 0, 10, 10}, 1}};
  size_t matched[RECALL_THRESHOLDS] = {0};
  gm_error err = {0};
  (void)state;
  assert_ok(presence_match(matched, boxes, 2, truths, 2, &err), &err);
  assert_int_equal(matched[0], 2); /* 7/13 = 0.538 */
  assert_int_equal(matched[1], 1); /* 0.55 */
  assert_int_equal(matched[6], 1); /* 0.80 < 9/11 = 0.818 */
  assert_int_equal(matched[7], 0); /* 0.85 */
  assert_ok(presence_match(matched, boxes, 0, truths, 2, &err), &err);
  assert_int_equal(matched[0], 2);
}

static double figure(const score_report *report, const char *name) {
  for (size_t i = 0; i < report->n_figures; i++)
    if (strcmp(report->figures[i].name, name) == 0) return report->figures[i].value;
  fail_msg("no figure %s", name);
  return 0;
}

/* Six phrases about two pictures. "a": given, right. "b": given, wrong. "c": its box is right,
 * but refused. "x" (noun): refused. "y" (near): one box. "z" (place): uncalibrated, so its low
 * `present` does not count: one box. */
static void test_all_figures(void **state) {
  const score_file coco = {"coco", "{\"images\":[{\"id\":1},{\"id\":2}],\"annotations\":[]}"},
                   refs = {"refs", "[{\"image_id\":1,\"expression\":\"a\",\"bbox\":[0,0,8,8]},"
                                   "{\"image_id\":1,\"expression\":\"b\",\"bbox\":[9,9,8,8]},"
                                   "{\"image_id\":2,\"expression\":\"c\",\"bbox\":[0,0,8,8]}]"},
                   absent = {"absent",
                             "[{\"image_id\":1,\"expression\":\"x\",\"kind\":\"noun\"},"
                             "{\"image_id\":1,\"expression\":\"y\",\"kind\":\"near\"},"
                             "{\"image_id\":2,\"expression\":\"z\",\"kind\":\"place\"}]"};
  const double present[] = {0.9, 0.5, 0.4, 0.1, 0.8, 0.2};
  presence_set set;
  score_answers answers = {0};
  score_report report = {0};
  gm_error err = {0};
  (void)state;
  assert_ok(presence_set_read(&set, &coco, &refs, &absent, 0, &err), &err);
  assert_int_equal(set.n, 6);
  for (size_t i = 0; i < 6; i++) {
    score_region region = {{0, 0, 8, 8}, 0.7};
    score_answer answer = {.entry = i,
                           .present = present[i],
                           .calibrated = i != 5,
                           .first_region = i,
                           .n_regions = 1};
    assert_ok(score_answers_add_region(&answers, region, &err), &err);
    assert_ok(score_answers_add(&answers, answer, &err), &err);
  }
  assert_ok(presence_score(&report, &set, &answers, 0.5, true, &err), &err);
  expect(figure(&report, "T-acc"), 2.0 / 3);
  expect(figure(&report, "right"), 1.0 / 3);
  expect(figure(&report, "right_unrefused"), 2.0 / 3);
  expect(figure(&report, "N-acc"), 1.0 / 3);
  expect(figure(&report, "N-acc noun"), 1);
  expect(figure(&report, "N-acc near"), 0);
  assert_true(isnan(figure(&report, "N-acc attribute")));
  expect(figure(&report, "N-acc hard"), 0);
  expect(figure(&report, "Pr@(F1=1,IoU>=0.5)"), 2.0 / 6); /* a and x */
  /* TP 2 (a, b), FN 1 (c), TN 1 (x), FP 2 (y, z): (2 - 2) / .. */
  expect(figure(&report, "IL_MCC"), 0);
  expect(figure(&report, "pmF1"), 2.0 / 5); /* 1 pair; 2 boxes, 3 true ones */
  expect(figure(&report, "false_alarms"), 1);
  expect(figure(&report, "ECE"), 0.7 - 2.0 / 6);
  expect(figure(&report, "AUROC"), 0.5);
  /* There: 0.9, 0.5, 0.4; absent: 0.1, 0.8, 0.2: 7 of 9 pairs are in order. */
  expect(figure(&report, "AUROC present"), 7.0 / 9);
  answers.n = 5;
  assert_int_equal(presence_score(&report, &set, &answers, 0.5, true, &err), GM_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "no answer to 1 of 6 expressions"));
  score_answers_free(&answers);
  presence_set_free(&set);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_calibration_error),
      cmocka_unit_test(test_a_bin_has_its_lower_end),
      cmocka_unit_test(test_area_under_the_curve),
      cmocka_unit_test(test_correlation),
      cmocka_unit_test(test_exact_answers),
      cmocka_unit_test(test_matching),
      cmocka_unit_test(test_all_figures),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
