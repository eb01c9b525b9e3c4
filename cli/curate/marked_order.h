/* marked_order.h - which boxes of a picture get marks, in which order, and where the discs with
 * the numbers stand. Pure arithmetic. */
#ifndef CLI_MARKED_ORDER_H
#define CLI_MARKED_ORDER_H

#include "curate_set.h"

enum { MOST_MARKED = 25, FEWEST_MARKED = 3 };

/* Drops boxes under 0.1 % of the picture and near copies (IoU over 0.7; the longer description
 * stays, then the larger box), and keeps the 25 largest. False if memory is short. */
bool choose_boxes(curate_picture *picture);

/* Sorts into reading order: by tenths of the height, then from left to right, then as given. */
bool order_boxes(curate_picture *picture);

typedef enum disc_place { DISC_INSIDE, DISC_OUTSIDE, DISC_NONE } disc_place;
typedef struct mark_disc {
  disc_place place;
  double x, y; /* the centre */
} mark_disc;

/* The diameter in pixels. */
double disc_diameter(const curate_picture *picture);
/* discs: [n_boxes]. */
void place_discs(const curate_picture *picture, mark_disc *discs);

#endif
