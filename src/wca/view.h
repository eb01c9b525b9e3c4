/* view.h - a picture, or a part of it, with its crops and their features: row 0 is the whole,
 * then the crops in order. Features are computed when they are needed. */
#ifndef GM_VIEW_H
#define GM_VIEW_H

#include "clip.h"
#include "crops.h"

struct gm_view {
  gm_clip *clip;
  gm_image *image; /* the view is one of its owners */
  gm_crop *crops;  /* [1 + n]: the whole part first */
  size_t n;
  size_t dim, done; /* rows of features computed so far */
  float *features;  /* [1 + n, D] */
  bool cache;
};

/* The smallest crop of whole pixels that contains the box, clipped to the picture;
 * GM_ERR_ARGUMENT if it is empty, with the box's number (from 1) in the message. */
gm_status gm_view_whole_pixels(const gm_image *image, gm_box box, size_t number, gm_crop *out,
                               gm_error *err);
/* Sets the part and the crops, without features. params have their defaults filled in. Does not
 * use the view's clip. Call gm_view_free after a failure too. */
gm_status gm_view_place(gm_view *view, const gm_image *image, const gm_view_params *params,
                        gm_error *err);
/* Computes the features of rows [0, rows). */
gm_status gm_view_encode(gm_view *view, gm_compute *c, const gm_clip_model *model, size_t rows,
                         const gm_callbacks *callbacks);

#endif
