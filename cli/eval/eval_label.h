/* eval_label.h - gromatic eval label: open-vocabulary detection against true boxes. */
#ifndef CLI_EVAL_LABEL_H
#define CLI_EVAL_LABEL_H

#include "arguments.h"

/* Names the regions of the pictures in --coco by its categories (or by --classes, some of them)
 * and prints:
 *
 *   ap50      COCO's AP at IoU 0.5, score = region score x label score, null labels and what
 *             --merge-iou leaves out left out
 *   accuracy  share of the regions on an object (IoU > 0.5) of one of the classes that get its
 *             name, null labels counted as wrong
 *   best_none the raw score that tells best, by the mean of both rates (best_none_rate),
 * regions that are rightly named from regions where nothing of the classes is: those with no
 * object at IoU 0.3, or on an object of another class
 *
 * Returns an exit code. */
int cli_eval_label(const cli_args *args);

#endif
