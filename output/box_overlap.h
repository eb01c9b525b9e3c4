/* box_overlap.h - how much two boxes share. */
#ifndef OUT_BOX_OVERLAP_H
#define OUT_BOX_OVERLAP_H

#include "gromatic.h"

/* Intersection over union; 0 if they share no area. */
double out_box_iou(gm_box a, gm_box b);
/* The share of a's area that is inside b. */
double out_box_share_inside(gm_box a, gm_box b);

#endif
