/* run_features.h - what the frozen vision encoder and, where it is frozen too, the proposer
 * make of a data set's picture, kept between epochs and runs in a cache directory. For pictures
 * that are not augmented.
 *
 * An entry's key: picture file (path, size, time), vision weights, settings, and this library
 * as it was built. Entries of a run take at most half of the directory's limit, so that
 * pictures that come again in turn do not push each other out. */
#ifndef GM_RUN_FEATURES_H
#define GM_RUN_FEATURES_H

#include "cache_entry.h"
#include "read_ahead.h"
#include "vision.h"

/* Of one picture; a buffer that is used again. */
typedef struct gm_picture_features {
  float *floats; /* all arrays, owned */
  float *mean;   /* [patches, C]: what the proposer reads */
  float *output; /* [1 + patches, C] and those below: see gm_features_states */
  float *states[GM_REGION_LEVELS];
  gm_rel_box *boxes; /* [n_boxes] of the proposer */
  float *scores;
} gm_picture_features;

typedef struct gm_feature_store {
  const gm_vision *vision;
  const gm_groma_hparams *hparams;
  gm_compute *c;
  bool whole; /* states and proposals; else the mean alone */
  size_t patches, width, n_boxes;
  gm_features *work;
  gm_cache_dir *dir; /* NULL: nothing is kept */
  char base[65];
  uint64_t stored; /* bytes of this run's entries */
} gm_feature_store;

/* vision must outlive it. GM_ERR_MEMORY. Free with gm_feature_store_free, after a failure too.
 */
gm_status gm_feature_store_open(gm_feature_store *out, const gm_vision *vision,
                                const gm_model_file *file, const gm_groma_hparams *hparams,
                                gm_compute *c, bool whole, gm_cache_dir *dir, gm_error *err);
void gm_feature_store_free(gm_feature_store *store);

gm_status gm_picture_features_create(gm_picture_features *out, const gm_feature_store *store,
                                     gm_error *err);
void gm_picture_features_free(gm_picture_features *features);

/* Whether the picture's features are in the directory. Thread-safe. */
bool gm_feature_store_has(const gm_feature_store *store, const char *image);
/* Of the item's picture: from the directory, or of its pixels, which are read where the item
 * has none. keep: as an entry. Errors: of pictures, GM_ERR_MODEL, GM_ERR_MEMORY,
 * GM_ERR_CANCELLED. */
gm_status gm_feature_store_get(gm_feature_store *store, const gm_item *item, bool keep,
                               gm_picture_features *out);

#endif
