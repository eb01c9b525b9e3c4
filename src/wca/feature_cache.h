/* feature_cache.h - features kept between runs: one file an entry in a directory of its own.
 *
 * An entry is named by its key, the SHA-256 of all that its values depend on. It appears whole
 * or not at all (written beside its name, then renamed); it is not synced, since a torn one is
 * found out by its sum. Other processes may use the directory at the same time. Whatever is
 * wrong with an entry, it counts as absent: the cache never makes a call fail.
 *
 *   "GMFEATS\1"  u32 columns  u32 rows  u8 key[32]  u8 sum[32]  f32 values[rows][columns]
 *
 * All little endian; the sum is the SHA-256 of the values' bytes. */
#ifndef GM_FEATURE_CACHE_H
#define GM_FEATURE_CACHE_H

#include "status.h"

typedef struct gm_feature_cache gm_feature_cache;

/* NULL if memory is short. The directory is made when something is stored. limit: bytes of all
 * entries together; 0: 4 GiB. Thread-safe but for free. */
gm_feature_cache *gm_feature_cache_open(const char *directory, uint64_t limit);
void gm_feature_cache_free(gm_feature_cache *cache);

/* values[rows * columns] of the key, and the entry becomes the youngest; false where there is
 * none that is whole. key: 64 hex digits. */
bool gm_feature_cache_load(gm_feature_cache *cache, const char *key, size_t rows,
                           size_t columns, float *values);
/* Keeps the values; then the oldest entries go until the rest is within the limit. */
void gm_feature_cache_store(gm_feature_cache *cache, const char *key, size_t rows,
                            size_t columns, const float *values);

/* Checks the bytes of an entry and copies its values; false where anything is not as wanted:
 * the size, the key, the sum, or rows that are no unit vectors. */
bool gm_feature_cache_parse(const void *bytes, size_t size, const char *key, size_t rows,
                            size_t columns, float *values);

#endif
