/* draw_tags.h - where the label of each box goes. Pure arithmetic on rectangles, in pixels. */
#ifndef GM_DRAW_TAGS_H
#define GM_DRAW_TAGS_H

#include <stddef.h>

typedef struct gm_rect {
  double x, y, w, h;
} gm_rect;

/* Area that both cover. */
double gm_rect_overlap(gm_rect a, gm_rect b);

/* Places a tag (its w and h are set; w 0: none) at its box, inside area as far as it fits:
 * above the box's left corner if that is free, else at another place at its edges that covers
 * no other tag and little of other boxes. Call in the order of importance, with the n tags
 * placed so far in `placed`. */
void gm_tag_place(gm_rect *tag, size_t box, const gm_rect *boxes, size_t n_boxes,
                  const gm_rect *placed, size_t n_placed, gm_rect area);

#endif
