/* regions.h - PROPOSALS + REFERRED BOXES -> THE MODEL'S REGIONS. Scores, suppression, choice,
 * order. Pure functions on small arrays; no allocation, no errors.
 *
 * Boxes are relative to the S x S picture (gm_rel_box). A score or coordinate that is not a
 * number never wins a comparison, so it is never chosen over one that is. */
#ifndef GM_REGIONS_H
#define GM_REGIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Centre and size, in units of the picture's width and height. Layout of float[4]. */
typedef struct gm_rel_box {
  float cx, cy, w, h;
} gm_rel_box;

typedef struct gm_corners {
  float x1, y1, x2, y2;
} gm_corners;
gm_corners gm_rel_box_corners(gm_rel_box box);
bool gm_rel_box_same(gm_rel_box a, gm_rel_box b);

_Static_assert(sizeof(gm_rel_box) == 4 * sizeof(float), "boxes are rows of 4 floats");

/* sigmoid(coco)^0.4 * sigmoid(sa1b)^0.6, from logits: a proposal's objectness. */
float gm_region_score(float coco_logit, float sa1b_logit);

/* Intersection over union of the boxes as corners, not clipped to the picture; 0 where the
 * union has no area. */
float gm_region_iou(gm_rel_box a, gm_rel_box b);

typedef struct gm_region_rule {
  float score_threshold; /* regions score more than this */
  float nms_threshold;   /* of two that overlap by more, the lower score goes */
  size_t max_regions;    /* >= 1 */
} gm_region_rule;

/* Chooses among n candidates (proposals first, then referred boxes at score 1): drops scores <=
 * threshold, suppresses greedily, keeps at most max_regions. Indices of the kept in falling
 * score (equal scores in the given order) go to chosen[n]; returns their number. If no score is
 * over the threshold: the single best. 0 only if n is 0. */
size_t gm_regions_choose(const gm_rel_box *boxes, const float *scores, size_t n,
                         const gm_region_rule *rule, uint32_t *chosen);

/* Index of the region (of n >= 1) that overlaps box most; the first of equals. */
size_t gm_regions_referred(const gm_rel_box *regions, size_t n, gm_rel_box box);

/* Fisher-Yates with the seed, as the model's training shuffled its regions. */
void gm_regions_shuffle(uint32_t *chosen, size_t n, uint64_t seed);

#endif
