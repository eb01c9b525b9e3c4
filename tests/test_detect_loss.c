/* test_detect_loss.c - the detection loss by formulas of the test's own, and its gradients by
 * central differences. */
#include "support.h"

#include "detect_loss.h"
#include "rng.h"

#include <math.h>
#include <string.h>

enum { N = 7, TARGETS = 3 };

/* Central differences with step h: h^2 times the third derivative (1e-10 times some 100s, for
 * sides of at least 0.1) and rounding (1e-16 / h) are both below 1e-7 here. */
#define STEP 1e-5
#define SLOPE_ERROR 1e-7

static void assert_near(double found, double want, double bound, const char *what) {
  if (!(fabs(found - want) <= bound)) fail_msg("%s: %.12g, wanted %.12g", what, found, want);
}

static void focal_is_its_formula(void **state) {
  (void)state;
  for (double x = -8; x <= 8; x += 0.37) {
    double slope, unused, p = 1 / (1 + exp(-x));
    double hit = 0.25 * pow(1 - p, 2) * -log(p), miss = 0.75 * p * p * -log(1 - p);
    assert_near(gm_focal(x, true, &slope), hit, 1e-12, "focal loss of target 1");
    assert_near(slope,
                (gm_focal(x + STEP, true, &unused) - gm_focal(x - STEP, true, &unused)) /
                    (2 * STEP),
                SLOPE_ERROR, "slope of target 1");
    assert_near(gm_focal(x, false, &slope), miss, 1e-12, "focal loss of target 0");
    assert_near(slope,
                (gm_focal(x + STEP, false, &unused) - gm_focal(x - STEP, false, &unused)) /
                    (2 * STEP),
                SLOPE_ERROR, "slope of target 0");
  }
  double slope; /* far out: the line -alpha x, and nothing */
  assert_near(gm_focal(-1000, true, &slope), 250, 1e-9, "focal loss far out");
  assert_near(slope, -0.25, 1e-12, "slope far out");
  assert_near(gm_focal(1000, true, &slope), 0, 0, "focal loss of a sure hit");
}

static void giou_is_its_formula(void **state) {
  (void)state;
  gm_box64 slope;
  /* Squares of side 2 and 2, apart by 1 in x and aligned in y: no overlap, hull 5 x 2. */
  assert_near(gm_giou((gm_box64){1, 1, 2, 2}, (gm_box64){4, 1, 2, 2}, &slope),
              0 - (10.0 - 8.0) / 10.0, 1e-15, "GIoU apart");
  /* Overlap 1 x 2 of two squares of side 2: 2 / 6, hull 3 x 2 is the union. */
  assert_near(gm_giou((gm_box64){1, 1, 2, 2}, (gm_box64){2, 1, 2, 2}, &slope), 1.0 / 3, 1e-15,
              "GIoU overlapping");
  /* One inside the other: 1 / 16, and the hull is the larger box. */
  assert_near(gm_giou((gm_box64){3, 2, 1, 1}, (gm_box64){2, 2, 4, 4}, &slope), 1.0 / 16, 1e-15,
              "GIoU inside");
  assert_near(gm_giou((gm_box64){0, 0, 0, 0}, (gm_box64){0, 0, 0, 0}, &slope), 0, 0,
              "GIoU of points");
  assert_true(isfinite(slope.cx) && isfinite(slope.w));
}

static gm_box64 random_box(gm_rng *rng) {
  return (gm_box64){gm_rng_unit(rng), gm_rng_unit(rng), 0.1 + 0.8 * gm_rng_unit(rng),
                    0.1 + 0.8 * gm_rng_unit(rng)};
}

static void giou_slopes(void **state) {
  (void)state;
  gm_rng rng = {2};
  for (int i = 0; i < 300; i++) {
    gm_box64 a = random_box(&rng), b = random_box(&rng), slope, unused;
    gm_giou(a, b, &slope);
    double found[4] = {slope.cx, slope.cy, slope.w, slope.h};
    for (size_t k = 0; k < 4; k++) {
      double low[4] = {a.cx, a.cy, a.w, a.h}, high[4] = {a.cx, a.cy, a.w, a.h};
      low[k] -= STEP;
      high[k] += STEP;
      gm_box64 l = {low[0], low[1], low[2], low[3]}, h = {high[0], high[1], high[2], high[3]};
      double want = (gm_giou(h, b, &unused) - gm_giou(l, b, &unused)) / (2 * STEP);
      assert_near(found[k], want, 1e-5, "GIoU's slope"); /* sides of 0.1: h^2 * 0.1^-4 */
    }
  }
}

typedef struct proposals {
  float logits[N];
  gm_box64 boxes[N];
  gm_rel_box targets[TARGETS];
} proposals;

static proposals random_proposals(uint64_t seed) {
  gm_rng rng = {seed};
  proposals p;
  for (size_t i = 0; i < N; i++) {
    p.logits[i] = (float)(6 * gm_rng_unit(&rng) - 3);
    p.boxes[i] = random_box(&rng);
  }
  for (size_t i = 0; i < TARGETS; i++) {
    gm_box64 b = random_box(&rng);
    p.targets[i] = (gm_rel_box){(float)b.cx, (float)b.cy, (float)b.w, (float)b.h};
  }
  return p;
}

static gm_box64 target_of(const proposals *p, size_t k) {
  gm_rel_box b = p->targets[k];
  return (gm_box64){(double)b.cx, (double)b.cy, (double)b.w, (double)b.h};
}

static double distance(gm_box64 a, gm_box64 b) {
  return fabs(a.cx - b.cx) + fabs(a.cy - b.cy) + fabs(a.w - b.w) + fabs(a.h - b.h);
}

static double pair_cost(const proposals *p, size_t i, size_t k) {
  double x = 1 / (1 + exp(-(double)p->logits[i]));
  double score = 0.25 * pow(1 - x, 2) * -log(x + 1e-8) - 0.75 * x * x * -log(1 - x + 1e-8);
  gm_box64 unused;
  return 2 * score + 5 * distance(p->boxes[i], target_of(p, k)) -
         2 * gm_giou(p->boxes[i], target_of(p, k), &unused);
}

/* The best of all N (N - 1) (N - 2) matchings. */
static void best_matching(const proposals *p, int32_t out[TARGETS]) {
  double best = INFINITY;
  for (size_t a = 0; a < N; a++)
    for (size_t b = 0; b < N; b++)
      for (size_t c = 0; c < N; c++) {
        double sum = pair_cost(p, a, 0) + pair_cost(p, b, 1) + pair_cost(p, c, 2);
        if (a == b || b == c || a == c || sum >= best) continue;
        best = sum;
        out[0] = (int32_t)a;
        out[1] = (int32_t)b;
        out[2] = (int32_t)c;
      }
}

static gm_detect_loss losses_of(const proposals *p, double count, double scale, float *d_logits,
                                gm_box64 *d_boxes) {
  gm_detect_loss sum = {0, 0, 0};
  gm_error err;
  assert_ok(gm_detect_add(p->logits, p->boxes, N, p->targets, TARGETS, count, scale, &sum,
                          d_logits, d_boxes, &err),
            &err);
  return sum;
}

static void losses_of_the_best_matching(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    proposals p = random_proposals(seed);
    int32_t want[TARGETS], found[TARGETS];
    gm_error err;
    best_matching(&p, want);
    assert_ok(gm_detect_match(p.logits, p.boxes, N, p.targets, TARGETS, found, &err), &err);
    assert_memory_equal(found, want, sizeof want);

    double focal = 0, l1 = 0, giou = 0, unused;
    gm_box64 by_box;
    for (size_t i = 0; i < N; i++) {
      bool hit = false;
      for (size_t k = 0; k < TARGETS; k++) hit = hit || want[k] == (int32_t)i;
      focal += gm_focal((double)p.logits[i], hit, &unused);
    }
    for (size_t k = 0; k < TARGETS; k++) {
      l1 += distance(p.boxes[want[k]], target_of(&p, k));
      giou += 1 - gm_giou(p.boxes[want[k]], target_of(&p, k), &by_box);
    }
    gm_detect_loss sum = losses_of(&p, 5, 1, NULL, NULL);
    assert_near(sum.class_loss, focal / 5, 1e-12, "class loss");
    assert_near(sum.box, l1 / 5, 1e-12, "L1 loss");
    assert_near(sum.giou, giou / 5, 1e-12, "GIoU loss");
    assert_near(gm_detect_total(sum), (2 * focal + 5 * l1 + 2 * giou) / 5, 1e-12, "total");
  }
}

static double total_of(const proposals *p) {
  return gm_detect_total(losses_of(p, 5, 1, NULL, NULL));
}

/* Steps so small do not change the matching. Logits are f32, whose steps are not exact: the
 * quotient takes the steps as they are. d_logits is rounded to f32, 6e-8 of at most 1. */
static void gradients(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    proposals p = random_proposals(seed);
    float d_logits[N];
    gm_box64 d_boxes[N];
    losses_of(&p, 5, 3, d_logits, d_boxes);
    for (size_t i = 0; i < N; i++) {
      proposals low = p, high = p;
      low.logits[i] -= 1e-3f; /* h^2 / 6 times a third derivative below 1, times 2 * 3 / 5 */
      high.logits[i] += 1e-3f;
      double step = (double)high.logits[i] - (double)low.logits[i];
      assert_near((double)d_logits[i], 3 * (total_of(&high) - total_of(&low)) / step, 1e-6,
                  "gradient by a logit");
      for (size_t k = 0; k < 4; k++) {
        low = high = p;
        ((double *)&low.boxes[i])[k] -= STEP;
        ((double *)&high.boxes[i])[k] += STEP;
        double found = ((double *)&d_boxes[i])[k];
        assert_near(found, 3 * (total_of(&high) - total_of(&low)) / (2 * STEP), 1e-5,
                    "gradient by a box");
      }
    }
  }
}

static void more_boxes_than_proposals(void **state) {
  (void)state;
  proposals p = random_proposals(3);
  int32_t found[TARGETS];
  gm_error err;
  assert_ok(gm_detect_match(p.logits, p.boxes, 2, p.targets, TARGETS, found, &err), &err);
  size_t hits[2] = {0, 0}, left = 0;
  for (size_t k = 0; k < TARGETS; k++) {
    if (found[k] < 0) {
      left++;
    } else {
      hits[found[k]]++;
    }
  }
  assert_true(left == 1 && hits[0] == 1 && hits[1] == 1);
}

/* Without boxes all targets are 0, and boxes have no gradient. */
static void no_boxes(void **state) {
  (void)state;
  proposals p = random_proposals(4);
  gm_detect_loss sum = {0, 0, 0};
  float d_logits[N];
  gm_box64 d_boxes[N], zero = {0, 0, 0, 0};
  gm_error err;
  assert_ok(gm_detect_add(p.logits, p.boxes, N, NULL, 0, 1, 1, &sum, d_logits, d_boxes, &err),
            &err);
  double want = 0, slope;
  for (size_t i = 0; i < N; i++) {
    want += gm_focal((double)p.logits[i], false, &slope);
    assert_true(d_logits[i] > 0);
    assert_memory_equal(&d_boxes[i], &zero, sizeof zero);
  }
  assert_near(sum.class_loss, want, 1e-12, "class loss without boxes");
  assert_true(sum.box == 0 && sum.giou == 0);
}

static void refuses_what_is_not_a_number(void **state) {
  (void)state;
  int32_t found[TARGETS];
  for (size_t k = 0; k < 2; k++) {
    proposals p = random_proposals(5);
    gm_error err = {0};
    if (k == 0) p.logits[4] = NAN;
    if (k == 1) p.boxes[4].h = INFINITY;
    assert_int_equal(gm_detect_match(p.logits, p.boxes, N, p.targets, TARGETS, found, &err),
                     GM_ERR_MODEL);
    assert_non_null(strstr(err.message, "proposal 4"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(focal_is_its_formula),
      cmocka_unit_test(giou_is_its_formula),
      cmocka_unit_test(giou_slopes),
      cmocka_unit_test(losses_of_the_best_matching),
      cmocka_unit_test(gradients),
      cmocka_unit_test(more_boxes_than_proposals),
      cmocka_unit_test(no_boxes),
      cmocka_unit_test(refuses_what_is_not_a_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
