/* dataset.h - annotated pictures for eval: COCO's detection format, and referring expressions.
 */
#ifndef CLI_DATASET_H
#define CLI_DATASET_H

#include "gromatic.h"
#include "left_out.h"

typedef struct data_category {
  char *name;
  char
      *article; /* "a", "an", "the" or ""; the category's "article", else by its first letter */
} data_category;

typedef struct data_object {
  gm_box box;      /* pixels */
  size_t category; /* index in dataset.categories */
} data_object;

typedef struct data_expression {
  gm_box box;
  char *text;
} data_expression;

typedef struct data_picture {
  char *path;
  char *background; /* the image's "background", as drawn worlds have it; NULL: none */
  data_object *objects;
  size_t n_objects;
  data_object *crowds; /* boxes around many things (iscrowd); not objects */
  size_t n_crowds;
  data_expression *expressions; /* at most one for each object, its first; or all */
  size_t n_expressions;
  bool failed; /* it could not be read; the error is reported */
} data_picture;

typedef struct dataset {
  data_picture *pictures; /* in the file's order */
  size_t n_pictures;
  data_category *categories; /* each name once */
  size_t n_categories;
  data_object *objects; /* of all pictures */
  data_expression *expressions;
  size_t n_objects, n_expressions;
  left_out images, annotations, kinds,
      refs; /* entries that cannot be used; kinds: categories */
} dataset;

/* coco: annotations with images, annotations (bbox xywh) and categories. refs (may be NULL): a
 * list of {image_id, expression, annotation_id, bbox}. images: the folder; NULL: images/ beside
 * coco. limit: the first N pictures; 0: all. every_expression: not only the first of each
 * object.
 *
 * An id is a number or a string; 1 and 1.0 are the same. An entry that cannot be used is left
 * out, counted, and reported on stderr. False, after a message, if nothing is left, or if the
 * files or the folder cannot be read. Free with dataset_free. */
bool dataset_load(dataset *set, const char *coco, const char *refs, const char *images,
                  size_t limit, bool every_expression);
void dataset_free(dataset *set);
/* All entries that were left out. */
size_t dataset_left_out(const dataset *set);

#endif
