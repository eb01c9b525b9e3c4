/* feature_cache.h - features kept between runs: entries of the kind "features" in a cache
 * directory (cache_entry.h). The body is f32 values[rows][columns]. */
#ifndef GM_FEATURE_CACHE_H
#define GM_FEATURE_CACHE_H

#include "cache_entry.h"

/* Reads values[rows * columns] of the key; the entry becomes the youngest. False if there is no
 * valid entry. key: 64 hex digits. */
bool gm_feature_cache_load(gm_cache_dir *cache, const char *key, size_t rows, size_t columns,
                           float *values);
/* Keeps the values. */
void gm_feature_cache_store(gm_cache_dir *cache, const char *key, size_t rows, size_t columns,
                            const float *values);

/* Checks the bytes of an entry and copies its values. Returns NULL, or the reason for refusal
 * (GM_REFUSED_...): the size, the head, the sum, or rows that are not unit vectors. */
const char *gm_feature_cache_read(const void *bytes, size_t size, const char *key, size_t rows,
                                  size_t columns, float *values);

#endif
