/* picture_vectors.h - the vectors of a picture's regions, as the language model sees them:
 * computed when a list first lacks them, of the fused maps, and never twice; with a cache, both
 * are kept between runs. */
#ifndef GM_PICTURE_VECTORS_H
#define GM_PICTURE_VECTORS_H

#include "picture.h"

/* Computes the vectors that the lists lack, of all of them at once, or finds them in the cache.
 * After a failure (GM_ERR_MEMORY, GM_ERR_CANCELLED) what was computed stays known, but lists
 * may lack vectors. */
gm_status gm_picture_fill(gm_picture *picture, gm_compute *c, gm_region_list *const *lists,
                          size_t n_lists);

/* For gm_picture_free. */
void gm_picture_free_vectors(gm_picture *picture);
/* Memory that they take. */
size_t gm_picture_vectors_bytes(const gm_picture *picture);

#endif
