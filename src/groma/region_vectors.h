/* region_vectors.h - the vectors of an image's regions, as the language model sees them:
 * computed when a list first lacks them, from the fused maps, and never twice; with a cache,
 * both are kept between runs. */
#ifndef GM_REGION_VECTORS_H
#define GM_REGION_VECTORS_H

#include "encoding.h"

/* Vectors that are to be computed for some lists. */
typedef struct gm_vector_work {
  gm_region_list *const *lists; /* [n_lists] */
  size_t n_lists;
  gm_rel_box *boxes; /* [n], each once */
  float *vectors;    /* [n, D], for the results */
  size_t n;
  gm_arena_mark mark;
} gm_vector_work;

/* begin finds out which vectors neither the encoding nor the cache has. end keeps what was
 * computed, unless status is an error, hands all lists their vectors and gives the scratch
 * back; it is to be called in any case. Returns status, or GM_ERR_MEMORY. After a failure lists
 * may lack vectors. */
gm_status gm_vectors_begin(gm_vector_work *work, gm_compute *c, gm_encoding *encoding,
                           gm_region_list *const *lists, size_t n_lists);
gm_status gm_vectors_end(gm_vector_work *work, gm_compute *c, gm_encoding *encoding,
                         gm_status status);

/* find: whether the encoding has its fused maps, maybe from the cache. keep: they were computed
 * now. */
bool gm_encoding_find_maps(gm_encoding *encoding, gm_compute *c);
void gm_encoding_keep_maps(gm_encoding *encoding, gm_compute *c);

/* For gm_encoding_free. */
void gm_encoding_free_vectors(gm_encoding *encoding);
/* Memory that they take. */
size_t gm_encoding_vectors_bytes(const gm_encoding *encoding);

#endif
