/* run_boxes.h - how well found boxes cover those of the data. */
#ifndef GM_RUN_BOXES_H
#define GM_RUN_BOXES_H

#include "regions.h"
#include "status.h"

/* The thresholds of COCO's average recall: 0.50, 0.55, .. 0.95. */
#define GM_IOU_FIRST 0.5
#define GM_IOU_STEP 0.05
enum { GM_IOU_STEPS = 10 };

/* *matched: boxes of the data that a found one covers by at least `iou`, each by one of its
 * own: found boxes choose in their order, falling score, the best that is left. GM_ERR_MEMORY.
 */
gm_status gm_boxes_match(const gm_rel_box *found, size_t n, const gm_rel_box *wanted,
                         size_t n_wanted, double iou, size_t *matched, gm_error *err);

/* GM_ERR_MODEL where one is not a number: the run diverged. */
gm_status gm_boxes_finite(const gm_rel_box *boxes, const float *scores, size_t n,
                          gm_error *err);

#endif
