/* curate_set.h - pictures with boxes and what they show, for conversations about them: COCO's
 * format, with a class or a caption of its own for each box, and captions of the pictures. */
#ifndef CLI_CURATE_SET_H
#define CLI_CURATE_SET_H

#include "json_pull.h"
#include "name_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct curate_box {
  double x, y, w, h; /* pixels, inside the picture */
  char *text;        /* its caption, else its class */
  char *kind;        /* its class; NULL: unknown */
} curate_box;

typedef struct curate_picture {
  char *id; /* as in the file: a number, or a string in quotes */
  char *file;
  uint32_t width, height;
  curate_box *boxes;
  size_t n_boxes;
  char **captions; /* tidy */
  size_t n_captions;
} curate_picture;

typedef struct curate_set {
  curate_picture *pictures; /* in the file's order */
  size_t n;
  gm_name_table ids; /* of all pictures of the file */
  size_t *place;     /* [n_places] by the number of the id: in pictures, or GM_NAME_NONE */
  size_t n_places;
  size_t left_out; /* entries that cannot be used */
  size_t few;      /* pictures with too few boxes, which are left out */
} curate_set;

/* coco: annotations {image_id, bbox xywh, category_id, caption}; those with iscrowd are not
 * taken. captions (may be NULL): annotations {image_id, caption}. limit: the first N pictures;
 * 0: all. Boxes are chosen and numbered (marked_order.h), so that box i has the mark i + 1.
 * False after a message. Free with curate_set_free in any case. */
bool curate_set_load(curate_set *out, const char *coco, const char *captions, uint64_t limit);
void curate_set_free(curate_set *set);

/* The place of the picture with that id, a number or a string; GM_NAME_NONE if there is none.
 * False if memory is short. */
bool curate_picture_of(curate_set *set, const gm_pull_value *id, size_t *place);

#endif
