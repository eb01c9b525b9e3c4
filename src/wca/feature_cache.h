/* feature_cache.h - features kept between runs, as entries of a cache directory (cache_entry.h)
 * of the kind "features". The body is f32 values[rows][columns]. */
#ifndef GM_FEATURE_CACHE_H
#define GM_FEATURE_CACHE_H

#include "cache_entry.h"

/* values[rows * columns] of the key, and the entry becomes the youngest; false where there is
 * none that is whole. key: 64 hex digits. */
bool gm_feature_cache_load(gm_cache_dir *cache, const char *key, size_t rows, size_t columns,
                           float *values);
/* Keeps the values. */
void gm_feature_cache_store(gm_cache_dir *cache, const char *key, size_t rows, size_t columns,
                            const float *values);

/* Checks the bytes of an entry and copies its values. NULL, or what is not as wanted: the size,
 * the head, the sum, or rows that are no unit vectors (GM_REFUSED_...). */
const char *gm_feature_cache_read(const void *bytes, size_t size, const char *key, size_t rows,
                                  size_t columns, float *values);

#endif
