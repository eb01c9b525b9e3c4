/* feature_cache.c - see feature_cache.h. */
#include "feature_cache.h"

#include "checked.h"
#include "sha256.h"

#include <math.h>
#include <string.h>

#define KIND "features"

enum { HEAD = 80 };

static const unsigned char magic[8] = "GMFEATS\1";

/* ---- entries as bytes ---- */

static uint32_t load_u32(const unsigned char *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void store_u32(unsigned char *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static void sum_values(const void *values, size_t bytes, unsigned char out[32]) {
  char hex[65];
  gm_sha256(values, bytes, hex);
  (void)gm_sha256_bytes(hex, out);
}

/* Features are unit vectors; f32 rounding of D terms is far below this. */
static bool are_units(const float *values, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, values += columns) {
    double sum = 0;
    for (size_t i = 0; i < columns; i++) sum += (double)values[i] * (double)values[i];
    if (!(fabs(sum - 1) < 1e-3)) return false; /* NaN too */
  }
  return true;
}

const char *gm_feature_cache_read(const void *bytes, size_t size, const char *key, size_t rows,
                                  size_t columns, float *values) {
  const unsigned char *at = bytes;
  unsigned char wanted[32], sum[32];
  size_t n, value_bytes;
  if (!gm_mul_size(rows, columns, &n) || !gm_mul_size(n, sizeof *values, &value_bytes) ||
      size < HEAD || size - HEAD != value_bytes)
    return GM_REFUSED_SIZE;
  if (memcmp(at, magic, sizeof magic) != 0 || load_u32(at + 8) != columns ||
      load_u32(at + 12) != rows || !gm_sha256_bytes(key, wanted) ||
      memcmp(at + 16, wanted, 32) != 0)
    return GM_REFUSED_HEAD;
  memcpy(values, at + HEAD,
         value_bytes); /* the file may change: what is summed is what is used */
  sum_values(values, value_bytes, sum);
  if (memcmp(at + 48, sum, 32) != 0) return GM_REFUSED_SUM;
  return are_units(values, rows, columns) ? NULL : GM_REFUSED_FEATURES;
}

/* ---- entries as files ---- */

bool gm_feature_cache_load(gm_cache_dir *cache, const char *key, size_t rows, size_t columns,
                           float *values) {
  gm_mapping file;
  if (!gm_cache_dir_map(cache, key, KIND, &file)) return false;
  const char *fault = gm_feature_cache_read(file.data, file.size, key, rows, columns, values);
  gm_unmap(&file);
  if (fault)
    gm_cache_dir_refuse(cache, key, KIND, fault);
  else
    gm_cache_dir_used(cache, key, KIND);
  return !fault;
}

void gm_feature_cache_store(gm_cache_dir *cache, const char *key, size_t rows, size_t columns,
                            const float *values) {
  unsigned char head[HEAD];
  size_t bytes = rows * columns * sizeof *values;
  if (rows > UINT32_MAX || columns > UINT32_MAX) return;
  memcpy(head, magic, sizeof magic);
  store_u32(head + 8, (uint32_t)columns);
  store_u32(head + 12, (uint32_t)rows);
  if (!gm_sha256_bytes(key, head + 16)) return;
  sum_values(values, bytes, head + 48);
  gm_cache_dir_store(cache, key, KIND, (gm_cache_piece[]){{head, HEAD}, {values, bytes}}, 2);
}
