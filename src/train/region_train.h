/* region_train.h - the region encoder in training: hidden states and boxes -> one vector per
 * box, and back (region_encoder.h has the forward pass of inference and says what is computed).
 *
 * Kept for the backward, of each picture: the outputs of the fuse convs (maps of 4n, 2n and n
 * cells a side, R channels, for each fuse step) and the boxes' features [r, bins*bins*R]. The
 * maps themselves are made from them again. With t->recompute nothing is kept: the backward
 * runs the forward of one picture after another again. */
#ifndef GM_REGION_TRAIN_H
#define GM_REGION_TRAIN_H

#include "ops_bwd.h"
#include "region_encoder.h"

typedef struct gm_region_picture {
  const float *states[GM_REGION_LEVELS]; /* [1+n*n, C] each, oldest first; row 0 is not used */
  const gm_rel_box *boxes;               /* [r]; no gradient goes to them */
  size_t r;
  float *d_states[GM_REGION_LEVELS]; /* the gradient by the states is added to these; NULL: not
                                        wanted */
} gm_region_picture;

/* What the backward needs of the forward, in t->c->arena. */
typedef struct gm_region_kept gm_region_kept;

/* out[rows, D]: the vectors of all pictures' boxes, picture after picture. Errors:
 * GM_ERR_MEMORY, GM_ERR_CANCELLED. */
gm_status gm_region_encoder_train(const gm_training *t, const gm_region_encoder *w,
                                  const gm_region_picture *pictures, size_t n, float *out,
                                  gm_region_kept **kept);

/* d_out[rows, D]. kept as the forward of the same pictures left it. */
gm_status gm_region_encoder_back(const gm_training *t, const gm_region_encoder *w,
                                 const gm_region_picture *pictures, size_t n,
                                 gm_region_kept *kept, const float *d_out);

#endif
