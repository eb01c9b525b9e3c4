/* feature_cache.c - see feature_cache.h. */
#include "feature_cache.h"

#include "checked.h"

#include <math.h>

static const gm_cache_kind kind = {.name = "features", .body_at = GM_CACHE_HEAD};

/* Features are unit vectors; f32 rounding of D terms is far below this. */
static bool are_units(const float *values, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, values += columns) {
    double sum = 0;
    for (size_t i = 0; i < columns; i++) sum += (double)values[i] * (double)values[i];
    if (!(fabs(sum - 1) < 1e-3)) return false; /* NaN too */
  }
  return true;
}

/* False if the size overflows. */
static bool part_of(size_t rows, size_t columns, float *values, gm_cache_part *part) {
  size_t n;
  *part = (gm_cache_part){.at = values};
  return gm_mul_size(rows, columns, &n) && gm_mul_size(n, sizeof *values, &part->size);
}

const char *gm_feature_cache_read(const void *bytes, size_t size, const char *key, size_t rows,
                                  size_t columns, float *values) {
  gm_cache_part part;
  if (!part_of(rows, columns, values, &part)) return GM_REFUSED_SIZE;
  const char *fault = gm_cache_entry_read(bytes, size, &kind, key, &part, 1);
  if (fault) return fault;
  return are_units(values, rows, columns) ? NULL : GM_REFUSED_FEATURES;
}

bool gm_feature_cache_load(gm_cache_dir *cache, const char *key, size_t rows, size_t columns,
                           float *values) {
  gm_mapping file;
  if (!gm_cache_dir_map(cache, key, kind.name, &file)) return false;
  const char *fault = gm_feature_cache_read(file.data, file.size, key, rows, columns, values);
  gm_unmap(&file);
  return gm_cache_entry_accept(cache, &kind, key, fault);
}

void gm_feature_cache_store(gm_cache_dir *cache, const char *key, size_t rows, size_t columns,
                            const float *values) {
  gm_cache_part part;
  if (part_of(rows, columns, (float *)(uintptr_t)values, &part))
    gm_cache_entry_store(cache, &kind, key, &part, 1, NULL, NULL);
}
