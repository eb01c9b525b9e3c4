/* eval_label.h - gromatic eval label: open-vocabulary detection against true boxes. */
#ifndef CLI_EVAL_LABEL_H
#define CLI_EVAL_LABEL_H

#include "arguments.h"

/* Names the regions of the pictures in --coco by its categories, or by --classes, and prints:
 *
 *   ap50      COCO's AP at IoU 0.5; score = region score x label score; without null labels and
 *             the boxes that --merge-iou drops
 *   accuracy  of the regions on an object of one of the classes (IoU > 0.5), the share with its
 *             name; null labels count as wrong
 *   kept      of the regions with their object's name, the share that keeps it
 *   refused   of the regions without a class (no object at IoU 0.3, or an object of another
 *             class), the share that gets no name; none_rate is the mean of both
 *   best_none the raw score that best separates rightly named regions from regions without a
 *             class, by the mean of both rates (best_none_rate)
 *
 * Returns an exit code. */
int cli_eval_label(const cli_args *args);

#endif
