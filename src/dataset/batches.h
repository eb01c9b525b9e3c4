/* batches.h - which pictures an epoch sees, and in which order (arXiv 2404.13013's sampler):
 * every epoch each set is permuted anew and cut into chunks of one size (the rest is dropped),
 * then the chunks of all sets are shuffled together. So a chunk has one set, and one source.
 *
 * All draws depend on seed, epoch and set alone: a run is resumed by its place. */
#ifndef GM_BATCHES_H
#define GM_BATCHES_H

#include "visit.h"

typedef struct gm_place {
  uint64_t epoch, chunk; /* the next chunk of that epoch */
} gm_place;

typedef struct gm_batches gm_batches;

/* Set i has sizes[i] pictures, of which a share of shares[i] (NULL: all) takes part: a random
 * subset, drawn once with the seed. The place is the first chunk of epoch 0. GM_ERR_ARGUMENT if
 * no set has as many as a chunk; GM_ERR_MEMORY. */
gm_status gm_batches_create(gm_batches **out, const size_t *sizes, const double *shares,
                            size_t n_sets, size_t chunk_size, uint64_t seed, gm_error *err);
void gm_batches_free(gm_batches *batches);

/* Chunks of an epoch; pictures of an epoch with those that are dropped; pictures of one set
 * that take part. */
size_t gm_batches_chunks(const gm_batches *batches);
size_t gm_batches_pictures(const gm_batches *batches);
size_t gm_batches_chosen(const gm_batches *batches, size_t set);

/* The visits of the next chunk: visits[chunk_size]. After an epoch's last chunk comes the first
 * one of the next. Not thread-safe. */
void gm_batches_next(gm_batches *batches, gm_visit *visits);

gm_place gm_batches_place(const gm_batches *batches);
/* GM_ERR_ARGUMENT if the epoch has no such chunk: the place is of other data. */
gm_status gm_batches_seek(gm_batches *batches, gm_place place, gm_error *err);

#endif
