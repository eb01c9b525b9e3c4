/* detect_loss.c - see detect_loss.h. */
#include "detect_loss.h"

#include "checked.h"
#include "hungarian.h"

#include <math.h>
#include <stdlib.h>

#define CLASS_WEIGHT 2.0
#define BOX_WEIGHT 5.0
#define GIOU_WEIGHT 2.0
#define ALPHA 0.25 /* of the focal loss; gamma is 2 */
#define TINY 1e-8  /* within the matching's logarithms */

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

/* log(1 + exp(x)), for any x. */
static double softplus(double x) {
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}

double gm_focal(double logit, bool target, double *slope) {
  /* The loss of target 0 at x is that of target 1 at -x, but for alpha. */
  double x = target ? logit : -logit, alpha = target ? ALPHA : 1 - ALPHA;
  double wrong = sigmoid(-x), minus_log = softplus(-x);
  double by_x = -alpha * wrong * wrong * (2 * (1 - wrong) * minus_log + wrong);
  *slope = target ? by_x : -by_x;
  return alpha * wrong * wrong * minus_log;
}

/* Along one axis: the overlap and the hull of a = (centre, size) and b; slopes by a's start and
 * end. */
typedef struct overlap {
  double inner, hull;
  double inner_by_start, inner_by_end, hull_by_start, hull_by_end;
} overlap;

static overlap overlap_of(double a_centre, double a_size, double b_centre, double b_size) {
  double a1 = a_centre - a_size / 2, a2 = a_centre + a_size / 2;
  double b1 = b_centre - b_size / 2, b2 = b_centre + b_size / 2;
  overlap o = {0};
  double inner = fmin(a2, b2) - fmax(a1, b1);
  if (inner > 0) {
    o.inner = inner;
    o.inner_by_start = a1 > b1 ? -1 : 0;
    o.inner_by_end = a2 < b2 ? 1 : 0;
  }
  o.hull = fmax(a2, b2) - fmin(a1, b1);
  o.hull_by_start = a1 < b1 ? -1 : 0;
  o.hull_by_end = a2 > b2 ? 1 : 0;
  return o;
}

double gm_giou(gm_box64 a, gm_box64 b, gm_box64 *slope) {
  overlap x = overlap_of(a.cx, a.w, b.cx, b.w), y = overlap_of(a.cy, a.h, b.cy, b.h);
  double inner = x.inner * y.inner, hull = x.hull * y.hull;
  double both = a.w * a.h + b.w * b.h - inner;
  bool has_area = both > 0, has_hull = hull > 0;
  /* iou = inner / both, and both falls as inner grows: slopes by inner, a's area, the hull.
   * Without the hull's term, both alone is left of it. */
  double by_inner = 0, by_area = 0, by_hull = 0, giou = 0;
  if (has_area) {
    giou += inner / both;
    by_inner += 1 / both + inner / (both * both);
    by_area -= inner / (both * both);
  }
  if (has_hull) {
    giou -= (hull - both) / hull;
    by_inner -= 1 / hull;
    by_area += 1 / hull;
    by_hull -= both / (hull * hull);
  }
  double start_x = by_inner * x.inner_by_start * y.inner + by_hull * x.hull_by_start * y.hull;
  double end_x = by_inner * x.inner_by_end * y.inner + by_hull * x.hull_by_end * y.hull;
  double start_y = by_inner * y.inner_by_start * x.inner + by_hull * y.hull_by_start * x.hull;
  double end_y = by_inner * y.inner_by_end * x.inner + by_hull * y.hull_by_end * x.hull;
  *slope = (gm_box64){start_x + end_x, start_y + end_y, (end_x - start_x) / 2 + by_area * a.h,
                      (end_y - start_y) / 2 + by_area * a.w};
  return giou;
}

static gm_box64 widened(gm_rel_box b) {
  return (gm_box64){(double)b.cx, (double)b.cy, (double)b.w, (double)b.h};
}

static double l1(gm_box64 a, gm_box64 b) {
  return fabs(a.cx - b.cx) + fabs(a.cy - b.cy) + fabs(a.w - b.w) + fabs(a.h - b.h);
}

static double class_cost(double logit) {
  double p = sigmoid(logit), q = sigmoid(-logit);
  return ALPHA * q * q * -log(p + TINY) - (1 - ALPHA) * p * p * -log(q + TINY);
}

static gm_status check(const float *logits, const gm_box64 *boxes, size_t n, gm_error *err) {
  for (size_t i = 0; i < n; i++) {
    gm_box64 b = boxes[i];
    if (isfinite(logits[i]) && isfinite(b.cx) && isfinite(b.cy) && isfinite(b.w) &&
        isfinite(b.h))
      continue;
    return gm_fail(
        err, GM_ERR_MODEL,
        "proposal %zu has the logit %g and the box (%g, %g, %g, %g), wanted numbers; "
        "the weights have run away: go back to an earlier checkpoint, with a lower "
        "learning rate",
        i, (double)logits[i], b.cx, b.cy, b.w, b.h);
  }
  return GM_OK;
}

gm_status gm_detect_match(const float *logits, const gm_box64 *boxes, size_t n,
                          const gm_rel_box *targets, size_t n_targets, int32_t *proposal_of,
                          gm_error *err) {
  size_t pairs, bytes;
  double *cost = NULL;
  GM_TRY(check(logits, boxes, n, err));
  if (gm_mul_size(n, n_targets, &pairs) && gm_mul_size(pairs, sizeof *cost, &bytes))
    cost = malloc(bytes ? bytes : 1);
  if (!cost) return gm_fail_memory(err, "the costs of a matching", SIZE_MAX);
  for (size_t i = 0; i < n; i++) {
    double score = CLASS_WEIGHT * class_cost((double)logits[i]);
    for (size_t k = 0; k < n_targets; k++) {
      gm_box64 unused, target = widened(targets[k]);
      cost[k * n + i] = score + BOX_WEIGHT * l1(boxes[i], target) -
                        GIOU_WEIGHT * gm_giou(boxes[i], target, &unused);
    }
  }
  gm_status status = gm_assign(cost, n_targets, n, proposal_of, err);
  free(cost);
  return status;
}

static double sign(double x) {
  return (double)((x > 0) - (x < 0));
}

/* The losses of a matched box; *slope: the gradient of their weighted sum. */
static void add_box(gm_box64 box, gm_box64 target, double weight, gm_detect_loss *sum,
                    gm_box64 *slope) {
  gm_box64 by_giou;
  sum->box += weight * l1(box, target);
  sum->giou += weight * (1 - gm_giou(box, target, &by_giou));
  slope->cx = BOX_WEIGHT * sign(box.cx - target.cx) - GIOU_WEIGHT * by_giou.cx;
  slope->cy = BOX_WEIGHT * sign(box.cy - target.cy) - GIOU_WEIGHT * by_giou.cy;
  slope->w = BOX_WEIGHT * sign(box.w - target.w) - GIOU_WEIGHT * by_giou.w;
  slope->h = BOX_WEIGHT * sign(box.h - target.h) - GIOU_WEIGHT * by_giou.h;
}

static void add_losses(const float *logits, const gm_box64 *boxes, size_t n,
                       const gm_rel_box *targets, const int32_t *target_of, double count,
                       double scale, gm_detect_loss *sum, float *d_logits, gm_box64 *d_boxes) {
  gm_detect_loss added = {0, 0, 0};
  double weight = scale / count;
  for (size_t i = 0; i < n; i++) {
    double slope;
    gm_box64 by_box = {0, 0, 0, 0};
    added.class_loss += gm_focal((double)logits[i], target_of[i] >= 0, &slope) / count;
    if (target_of[i] >= 0)
      add_box(boxes[i], widened(targets[target_of[i]]), 1 / count, &added, &by_box);
    if (d_logits) d_logits[i] = (float)(CLASS_WEIGHT * slope * weight);
    if (d_boxes)
      d_boxes[i] = (gm_box64){by_box.cx * weight, by_box.cy * weight, by_box.w * weight,
                              by_box.h * weight};
  }
  sum->class_loss += added.class_loss;
  sum->box += added.box;
  sum->giou += added.giou;
}

gm_status gm_detect_add(const float *logits, const gm_box64 *boxes, size_t n,
                        const gm_rel_box *targets, size_t n_targets, double count, double scale,
                        gm_detect_loss *sum, float *d_logits, gm_box64 *d_boxes,
                        gm_error *err) {
  int32_t *proposal_of = calloc(n_targets + n + 1, sizeof *proposal_of);
  if (!proposal_of) return gm_fail_memory(err, "a matching", (n_targets + n) * sizeof(int32_t));
  int32_t *target_of = proposal_of + n_targets;
  gm_status status = gm_detect_match(logits, boxes, n, targets, n_targets, proposal_of, err);
  if (status == GM_OK) {
    for (size_t i = 0; i < n; i++) target_of[i] = -1;
    for (size_t k = 0; k < n_targets; k++)
      if (proposal_of[k] >= 0) target_of[proposal_of[k]] = (int32_t)k;
    add_losses(logits, boxes, n, targets, target_of, count, scale, sum, d_logits, d_boxes);
  }
  free(proposal_of);
  return status;
}
