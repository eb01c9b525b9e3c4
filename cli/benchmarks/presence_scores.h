/* presence_scores.h - how well answers tell what is there from what is not.
 *
 * The published measures, by picture and phrase:
 *   N-acc, T-acc             shares of absent phrases without a box, and of phrases whose thing
 *                            is there with one, right or wrong (gRefCOCO: C. Liu, H. Ding, X.
 *                            Jiang, CVPR 2023)
 *   Pr@(F1=1, IoU>=0.5)      share of phrases with exactly the true boxes; none, if absent
 *                            (GREC: S. He et al., 2023)
 *   IL_MCC, pmF1, cgF1       Matthews' correlation of "has a box" with "is there"; F1 over the
 *                            boxes of all phrases that are there, matched so that the sum of
 *                            IoUs is largest, mean over IoU 0.50 to 0.95; their product (SA-Co:
 *                            SAM 3, 2025). Without the small terms that its code adds to
 *                            divisors.
 *   ECE                      expected calibration error over 10 equal bins (M. P. Naeini et
 * al., AAAI 2015) */
#ifndef CLI_PRESENCE_SCORES_H
#define CLI_PRESENCE_SCORES_H

#include "presence_set.h"
#include "recall.h"
#include "score_answers.h"
#include "score_report.h"

/* A probability, and whether it came true. */
typedef struct presence_claim {
  double p; /* 0 to 1 */
  bool right;
} presence_claim;

/* Bins are [0, 0.1), [0.1, 0.2) .. [0.9, 1]. NaN without claims. */
double presence_ece(const presence_claim *claims, size_t n);
/* The share of pairs, a right and a wrong claim, in which the right one has the higher p; equal
 * ones count half. NaN if all are right or all are wrong. Sorts the claims. */
double presence_auroc(presence_claim *claims, size_t n);
/* 0 where a sum of the table's rows or columns is 0. */
double presence_mcc(size_t tp, size_t fp, size_t tn, size_t fn);
/* Whether the boxes are exactly the true ones: as many, and pairs with the highest IoU first
 * all reach 0.5. GM_ERR_MEMORY. */
gm_status presence_all_right(bool *out, const score_region *boxes, size_t n_boxes,
                             const presence_truth *truths, size_t n_truths, gm_error *err);
/* Adds to matched[k] the pairs that reach the k-th IoU threshold of recall.h. GM_ERR_MEMORY. */
gm_status presence_match(size_t matched[RECALL_THRESHOLDS], const score_region *boxes,
                         size_t n_boxes, const presence_truth *truths, size_t n_truths,
                         gm_error *err);

/* Adds the figures to the report. A phrase has no boxes if its answer is calibrated and present
 * is below min_present. "right" is the share of phrases that are there whose best box has IoU >
 * 0.5 with a true one, "right_unrefused" the same whatever `present` is. ECE and AUROC: of the
 * best boxes' scores, also those below min_present and those of absent phrases, which are
 * wrong; "ECE present": of `present`. must_answer: a phrase without an answer is an error; else
 * it is left out. Errors: GM_ERR_ARGUMENT, GM_ERR_MEMORY. */
gm_status presence_score(score_report *out, const presence_set *set,
                         const score_answers *answers, double min_present, bool must_answer,
                         gm_error *err);

#endif
