/* detect_loss.h - the loss of a set of proposals against the boxes of a picture (DETR, arXiv
 * 2005.12872, with the focal loss of arXiv 1708.02002 and GIoU of arXiv 1902.09630).
 *
 * Each box is matched with one proposal, by the smallest sum of 2 * class cost + 5 * L1 - 2 *
 * GIoU. The loss is 2 * class + 5 * L1 + 2 * (1 - GIoU): the class loss of all proposals, whose
 * target is 1 for those that are matched; the others of the matched ones only. Everything is
 * summed in f64. No function keeps state; all may be called from any thread. */
#ifndef GM_DETECT_LOSS_H
#define GM_DETECT_LOSS_H

#include "regions.h"
#include "status.h"

/* Centre and size, as gm_rel_box, in f64. */
typedef struct gm_box64 {
  double cx, cy, w, h;
} gm_box64;

typedef struct gm_detect_loss {
  double class_loss, box, giou; /* without their weights; box: L1; giou: 1 - GIoU */
} gm_detect_loss;

static inline double gm_detect_total(gm_detect_loss loss) {
  return 2 * loss.class_loss + 5 * loss.box + 2 * loss.giou;
}

/* The focal loss of a logit whose target is 1 or 0; *slope is its derivative. */
double gm_focal(double logit, bool target, double *slope);
/* GIoU of two boxes, which are not clipped; *slope is its gradient by a. Boxes without area
 * have an IoU of 0, and nothing is taken off for a hull without area. */
double gm_giou(gm_box64 a, gm_box64 b, gm_box64 *slope);

/* proposal_of[n_targets]: the proposal that each box is matched with, -1 for boxes that are
 * left over because there are more boxes than proposals.
 * Errors: GM_ERR_MODEL where a logit or box is not a number, GM_ERR_MEMORY. */
gm_status gm_detect_match(const float *logits, const gm_box64 *boxes, size_t n,
                          const gm_rel_box *targets, size_t n_targets, int32_t *proposal_of,
                          gm_error *err);

/* Matches, and adds the losses of n proposals, each divided by `count` (the number of boxes of
 * all pictures of a batch, at least 1), to *sum. d_logits[n] and d_boxes[n] become the gradient
 * of `scale` times their weighted total; both may be NULL. Errors: as gm_detect_match. */
gm_status gm_detect_add(const float *logits, const gm_box64 *boxes, size_t n,
                        const gm_rel_box *targets, size_t n_targets, double count, double scale,
                        gm_detect_loss *sum, float *d_logits, gm_box64 *d_boxes, gm_error *err);

#endif
