/* tune_seen.h - what the frozen parts of a model make of a picture, kept in memory: a picture
 * comes again and again, and this part of the work is the same each time. */
#ifndef GM_TUNE_SEEN_H
#define GM_TUNE_SEEN_H

#include "regions.h"
#include "status.h"

typedef enum gm_seen_kind {
  GM_SEEN_NOTHING,  /* the vision encoder learns */
  GM_SEEN_FEATURES, /* only the proposer learns: what it reads */
  GM_SEEN_STATES,   /* the vision encoder is frozen, not all that reads it: hidden states */
  GM_SEEN_VECTORS   /* only words learn: proposals, and vectors of the image and of regions */
} gm_seen_kind;

/* Zero-initialised nothing is there. The arrays are its own. */
typedef struct gm_tune_seen {
  float width, height; /* of the picture, in its pixels; 0: not known */
  float *values;       /* NULL: not seen. Features [cells, C], the used states one after another
                          [1+cells, C] each, or image tokens [T, D] */
  /* For vectors. */
  gm_rel_box *proposals; /* [n_proposals] */
  float *scores;
  size_t n_proposals;
  gm_rel_box *boxes; /* [n] regions that were asked for so far */
  float *vectors;    /* [n, D] */
  size_t n;
  size_t bytes; /* of all arrays */
} gm_tune_seen;

void gm_tune_seen_free(gm_tune_seen *seen);
/* The region's place; seen->n: it is not there. */
size_t gm_tune_seen_find(const gm_tune_seen *seen, gm_rel_box box);
/* Room for n more regions of dim numbers. GM_ERR_MEMORY. */
gm_status gm_tune_seen_grow(gm_tune_seen *seen, size_t n, size_t dim, gm_error *err);
/* An array of the entry, which counts as its bytes; NULL: memory is short. */
void *gm_tune_seen_alloc(gm_tune_seen *seen, size_t bytes);

#endif
