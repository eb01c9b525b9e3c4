/* tune_pictures.h - the caller's annotated pictures, checked, and the order in which they are
 * seen. */
#ifndef GM_TUNE_PICTURES_H
#define GM_TUNE_PICTURES_H

#include "gromatic_train.h"
#include "rng.h"
#include "status.h"
#include "tune_seen.h"

/* Pictures, with lists of their own; texts are the caller's. */
typedef struct gm_tune_list {
  gm_tune_picture *all; /* [n] */
  size_t n;
  int32_t **classes;  /* [n][n_objects] which of the classes; -1: there are too many */
  bool *broken;       /* [n] could not be read */
  gm_tune_seen *seen; /* [n][2] of the picture, and of it mirrored */
  uint32_t *order;    /* [n] of the current round; at: the next one */
  size_t at;
} gm_tune_list;

/* A name that objects to learn or to keep have is a class; the first n_names are of objects to
 * learn. */
enum { GM_TUNE_CLASSES = 4096 };

typedef struct gm_tune_pictures {
  gm_tune_list learned, held, kept;
  const char **names; /* [n_names] of objects to learn, with articles, each once */
  size_t n_names, n_classes;
} gm_tune_pictures;

/* GM_ERR_ARGUMENT (no picture, a path or a name that is NULL, a box that is not finite or has
 * no area), GM_ERR_MEMORY. Free after a failure too. */
gm_status gm_tune_pictures_read(gm_tune_pictures *out, const gm_tune_params *params,
                                gm_error *err);
void gm_tune_pictures_free(gm_tune_pictures *pictures);

/* The next one that is not broken, in rounds of random order; NULL: all are broken. */
const gm_tune_picture *gm_tune_next(gm_tune_list *list, gm_rng *rng);
void gm_tune_break(gm_tune_list *list, const gm_tune_picture *picture);

#endif
