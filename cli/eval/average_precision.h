/* average_precision.h - COCO's average precision at one overlap: the measure of detectors. */
#ifndef CLI_AVERAGE_PRECISION_H
#define CLI_AVERAGE_PRECISION_H

#include "gromatic.h"

typedef struct ap_box {
  size_t picture;
  size_t class_index;
  gm_box box;
  double score; /* of found boxes only */
  bool crowd;   /* of true boxes: many things in one box (COCO's iscrowd) */
} ap_box;

/* Computed as pycocotools does (area "all", at most 100 boxes of a class in a picture). In
 * falling score, each found box takes the free true box of its class and picture with the
 * largest overlap of at least `iou`. If there is none, but a crowd contains this share of it,
 * it counts neither as right nor as wrong. A crowd is never missed. Precision, made to fall, is
 * read at the 101 recalls 0, 0.01, ... 1; the result is the mean over these and over the
 * classes that have a true box. Equal scores are in the order of pictures, then as given.
 * Negative: no true box, or no memory. */
double cli_average_precision(const ap_box *found, size_t n_found, const ap_box *truth,
                             size_t n_truth, size_t n_classes, double iou);

#endif
