/* user_data.h - what `tune` reads: the user's own boxes and names, as a COCO file or a YOLO
 * folder, and expressions for them. */
#ifndef GM_USER_DATA_H
#define GM_USER_DATA_H

#include "data_set.h"

typedef struct gm_user_expression {
  uint32_t picture;
  gm_rel_box box;
  size_t text; /* in set->texts */
} gm_user_expression;

typedef struct gm_user_data {
  gm_data_set *set; /* boxes with categories; pictures without boxes too; no crowds */
  gm_user_expression *expressions; /* by picture, each picture's in the file's order */
  size_t n_expressions;
  size_t *first_expression; /* [n_pictures + 1]: those of picture i begin here */
  bool *held;               /* [n_pictures]: kept back for measuring */
  size_t n_held;
} gm_user_data;

/* path: a COCO file, data.yaml, or a folder, which is looked at:
 * - YOLO: data.yaml or classes.txt with the names, and a folder labels/ beside images/ at any
 *   depth; a picture images/A/x.jpg has its boxes in labels/A/x.txt, a line "class cx cy w h"
 *   each, relative to the picture. Classes count from 0, or from 1 if 0 does not occur and the
 *   number of names does. Pictures without a label file have no boxes.
 * - COCO: its only JSON file that is not `refs`, or that of annotations/.
 * images: the pictures' folder of a COCO file; NULL: images/ beside it, or else its own folder.
 * refs: NULL, or a list of {image_id, expression, annotation_id, bbox}; of YOLO pictures the
 * image_id is the path below images/. Free with gm_user_data_free, also after an error. */
gm_status gm_user_data_load(gm_user_data *out, const char *path, const char *refs,
                            const char *images, gm_data_report *report, gm_error *err);
void gm_user_data_free(gm_user_data *data);

/* Holds back a share of the pictures, at least one if the share is above 0 and there are two.
 * The seed and the number of pictures alone decide which. */
void gm_user_data_hold(gm_user_data *data, double share, uint64_t seed);

#endif
