/* average_precision.h - COCO's average precision at one overlap: the measure of detectors. */
#ifndef CLI_AVERAGE_PRECISION_H
#define CLI_AVERAGE_PRECISION_H

#include "gromatic.h"

typedef struct ap_box {
  size_t picture;
  size_t class_index;
  gm_box box;
  double score; /* of what was found; not read of the truth */
  bool crowd;   /* of the truth: many things under one box (COCO's iscrowd) */
} ap_box;

/* As pycocotools computes it (area "all", at most 100 boxes of a class a picture): in falling
 * score, each found box takes the free true box of its class and picture that it overlaps most,
 * at least `iou`. Where there is none, but a crowd that holds this share of it, it counts
 * neither as right nor as wrong; a crowd is not missed either. Precision, made to fall, is read
 * at the 101 recalls 0, 0.01, ... 1; the mean over these and over the classes that have a true
 * box. Equal scores stand in the order of pictures, then as given. A negative value: no true
 * box, or no memory. */
double cli_average_precision(const ap_box *found, size_t n_found, const ap_box *truth,
                             size_t n_truth, size_t n_classes, double iou);

#endif
