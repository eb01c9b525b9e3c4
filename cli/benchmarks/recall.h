/* recall.h - average recall, as pycocotools and lvis-api compute it. */
#ifndef CLI_RECALL_H
#define CLI_RECALL_H

#include "score_answers.h"
#include "score_set.h"

enum { RECALL_THRESHOLDS = 10 }; /* IoU 0.50, 0.55 .. 0.95 */

typedef enum recall_size {
  RECALL_ALL,
  RECALL_SMALL,  /* area of the annotation within 0 .. 32^2 */
  RECALL_MEDIUM, /* 32^2 .. 96^2; both ends count in both sizes */
  RECALL_LARGE,  /* 96^2 .. 1e10 */
  RECALL_SIZES
} recall_size;

typedef struct recall_rules {
  bool by_class;      /* matched within a class; the mean over those that have true boxes */
  const size_t *most; /* [n_images]: a picture's first boxes that count, of all classes */
  recall_size size;
} recall_rules;

/* out[i]: the share of true boxes that have a found one at threshold i; over all pictures, then
 * the mean over classes. -1 where there is no true box. Boxes marked iscrowd or ignore, and
 * those of another size, are left out.
 *
 * In falling score (equal ones as given), each found box takes the free true box of its picture
 * with the highest IoU of at least the threshold; of equal IoUs the later one. GM_ERR_MEMORY.
 */
gm_status recall_shares(double out[RECALL_THRESHOLDS], const score_set *set,
                        const score_answers *found, const recall_rules *rules, gm_error *err);

/* The mean over the thresholds; -1 if there is no true box. */
double recall_mean(const double shares[RECALL_THRESHOLDS]);

#endif
