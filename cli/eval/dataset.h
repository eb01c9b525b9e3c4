/* dataset.h - annotated pictures for eval: COCO's detection format, and referring expressions.
 */
#ifndef CLI_DATASET_H
#define CLI_DATASET_H

#include "gromatic.h"

#include <jansson.h>

typedef struct data_object {
  int64_t id;
  gm_box box;           /* pixels */
  const char *category; /* its name */
  const char
      *article; /* "a", "an", "the" or ""; the category's "article", else by its first letter */
} data_object;

typedef struct data_expression {
  int64_t object_id;
  gm_box box;
  const char *text;
} data_expression;

typedef struct data_picture {
  int64_t id;
  char *path;
  data_object *objects;
  size_t n_objects;
  data_object *crowds; /* boxes over many things each (iscrowd): no objects */
  size_t n_crowds;
  data_expression *expressions; /* at most one an object: its first */
  size_t n_expressions;
} data_picture;

typedef struct dataset {
  data_picture *pictures; /* in the file's order */
  size_t n_pictures;
  json_t *coco, *refs; /* the JSON that strings point into */
} dataset;

/* coco: annotations with images, annotations (bbox xywh) and categories. refs (may be NULL): a
 * list of {image_id, expression, annotation_id, bbox}. images: the folder, NULL for images/
 * beside coco. limit: the first N pictures, 0 for all. False after a message on stderr. Free
 * with dataset_free. */
bool dataset_load(dataset *set, const char *coco, const char *refs, const char *images,
                  size_t limit);
void dataset_free(dataset *set);

double data_iou(gm_box a, gm_box b);
/* The share of a's area that is inside of b. */
double data_share_inside(gm_box a, gm_box b);

#endif
