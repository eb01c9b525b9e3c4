/* score_set.h - true boxes and captions of a benchmark, in COCO's layout. Unlike the reader of
 * `eval ground`, this one refuses what it cannot use: a figure over fewer entries is another
 * figure. */
#ifndef CLI_SCORE_SET_H
#define CLI_SCORE_SET_H

#include "score_file.h"

/* What a benchmark needs of the file; ids of images are always needed. */
enum {
  SCORE_BOXES = 1 << 0,          /* of annotations: bbox */
  SCORE_CATEGORIES = 1 << 1,     /* the list, and each annotation's */
  SCORE_CAPTIONS = 1 << 2,       /* of annotations */
  SCORE_IMAGE_CAPTIONS = 1 << 3, /* of images: the expression */
  SCORE_SIZES = 1 << 4           /* of images: width and height */
};

typedef struct score_image {
  char *file;           /* file_name, or the end of coco_url; NULL if the file has neither */
  char *caption;        /* NULL if not needed */
  double width, height; /* pixels; 0 if unknown */
} score_image;

typedef struct score_truth {
  size_t image, category; /* category: 0 if not needed */
  score_box box;
  bool has_box;
  double area;        /* the annotation's; without one, the box's */
  bool crowd, ignore; /* iscrowd, ignore */
  char *caption;      /* NULL if not needed */
} score_truth;

typedef struct score_set {
  score_image *images; /* number i has the id image_ids.names[i] */
  size_t n_images;
  score_truth *truths; /* in the file's order */
  size_t n_truths;
  char **categories; /* names; number i has the id category_ids.names[i] */
  size_t n_categories;
  gm_name_table image_ids, category_ids;
  gm_name_table truth_ids; /* of annotations: number i is truths[i], if each has an id */
  bool truths_have_ids;
} score_set;

/* needs: SCORE_*. Free with score_set_free, also after an error. Errors: GM_ERR_ARGUMENT with
 * file and line, GM_ERR_MEMORY. */
gm_status score_set_read(score_set *set, const score_file *file, unsigned needs, gm_error *err);
/* Keeps the first n images and what belongs to them; 0: all. */
void score_set_limit(score_set *set, size_t n);
void score_set_free(score_set *set);

#endif
