/* region_vectors.h - the vectors of an image's regions, as the language model sees them:
 * computed when a list first lacks them, of the fused maps, and never twice; with a cache, both
 * are kept between runs. */
#ifndef GM_REGION_VECTORS_H
#define GM_REGION_VECTORS_H

#include "encoding.h"

/* Computes the vectors that the lists lack, of all of them at once, or finds them in the cache.
 * After a failure (GM_ERR_MEMORY, GM_ERR_CANCELLED) what was computed stays known, but lists
 * may lack vectors. */
gm_status gm_encoding_fill(gm_encoding *encoding, gm_compute *c, gm_region_list *const *lists,
                           size_t n_lists);

/* For gm_encoding_free. */
void gm_encoding_free_vectors(gm_encoding *encoding);
/* Memory that they take. */
size_t gm_encoding_vectors_bytes(const gm_encoding *encoding);

#endif
