/* regions.c - see regions.h. */
#include "regions.h"

#include "logistic.h"
#include "rng.h"

#include <assert.h>
#include <math.h>

float gm_region_score(float coco_logit, float sa1b_logit) {
  return powf(gm_sigmoid(coco_logit), 0.4f) * powf(gm_sigmoid(sa1b_logit), 0.6f);
}

gm_corners gm_rel_box_corners(gm_rel_box b) {
  return (gm_corners){b.cx - 0.5f * b.w, b.cy - 0.5f * b.h, b.cx + 0.5f * b.w,
                      b.cy + 0.5f * b.h};
}

bool gm_rel_box_same(gm_rel_box a, gm_rel_box b) {
  return a.cx == b.cx && a.cy == b.cy && a.w == b.w && a.h == b.h;
}

float gm_region_iou(gm_rel_box a, gm_rel_box b) {
  gm_corners p = gm_rel_box_corners(a), q = gm_rel_box_corners(b);
  float w = fminf(p.x2, q.x2) - fmaxf(p.x1, q.x1), h = fminf(p.y2, q.y2) - fmaxf(p.y1, q.y1);
  float shared = fmaxf(w, 0.0f) * fmaxf(h, 0.0f);
  float both = (p.x2 - p.x1) * (p.y2 - p.y1) + (q.x2 - q.x1) * (q.y2 - q.y1) - shared;
  return both > 0 ? shared / both : 0.0f;
}

/* Whether candidate a comes after b: falling score, equal scores in the given order. */
static bool is_after(const float *scores, uint32_t a, uint32_t b) {
  return scores[a] != scores[b] ? scores[a] < scores[b] : a > b;
}

/* Lets the candidate at the top of the heap [n] sink to its place below those after it. */
static void sink(const float *scores, uint32_t *heap, size_t top, size_t n) {
  uint32_t sinking = heap[top];
  for (size_t child; (child = 2 * top + 1) < n; top = child) {
    if (child + 1 < n && is_after(scores, heap[child + 1], heap[child])) child++;
    if (!is_after(scores, heap[child], sinking)) break;
    heap[top] = heap[child];
  }
  heap[top] = sinking;
}

/* Puts the candidates over the threshold into chosen, in order; returns their number. A heap:
 * whatever order a caller's scores come in, n log n, and no memory. */
static size_t order_candidates(const float *scores, size_t n, float threshold,
                               uint32_t *chosen) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++)
    if (scores[i] > threshold) chosen[count++] = (uint32_t)i;
  for (size_t i = count / 2; i-- > 0;) sink(scores, chosen, i, count);
  for (size_t end = count; end > 1;) {
    uint32_t last = chosen[0]; /* after all that are left */
    chosen[0] = chosen[--end];
    chosen[end] = last;
    sink(scores, chosen, 0, end);
  }
  return count;
}

static uint32_t best_candidate(const float *scores, size_t n) {
  size_t best = 0;
  for (size_t i = 1; i < n; i++)
    if (scores[i] > scores[best] || (isnan(scores[best]) && !isnan(scores[i]))) best = i;
  return (uint32_t)best;
}

size_t gm_regions_choose(const gm_rel_box *boxes, const float *scores, size_t n,
                         const gm_region_rule *rule, uint32_t *chosen) {
  if (n == 0) return 0;
  size_t count = order_candidates(scores, n, rule->score_threshold, chosen), kept = 0;
  if (count == 0) {
    chosen[0] = best_candidate(scores, n);
    return 1;
  }
  /* The kept ones are at the front of the same array: kept <= i. */
  for (size_t i = 0; i < count && kept < rule->max_regions; i++) {
    bool suppressed = false;
    for (size_t k = 0; k < kept && !suppressed; k++)
      suppressed = gm_region_iou(boxes[chosen[i]], boxes[chosen[k]]) > rule->nms_threshold;
    if (!suppressed) chosen[kept++] = chosen[i];
  }
  assert(kept > 0 && kept <= rule->max_regions);
  return kept;
}

size_t gm_regions_referred(const gm_rel_box *regions, size_t n, gm_rel_box box) {
  size_t best = 0;
  float best_iou = -1;
  assert(n > 0);
  for (size_t i = 0; i < n; i++) {
    float iou = gm_region_iou(regions[i], box);
    if (iou > best_iou) {
      best = i;
      best_iou = iou;
    }
  }
  return best;
}

void gm_regions_shuffle(uint32_t *chosen, size_t n, uint64_t seed) {
  gm_rng rng = {seed};
  for (size_t i = n; i > 1; i--) {
    size_t j = (size_t)(gm_rng_unit(&rng) * (double)i);
    assert(j < i);
    uint32_t swap = chosen[i - 1];
    chosen[i - 1] = chosen[j];
    chosen[j] = swap;
  }
}
