/* feature_cache.c - see feature_cache.h. */
#include "feature_cache.h"

#include "checked.h"
#include "mapping.h"
#include "sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDING ".features"

enum { HEAD = 80, KEY = 64, ENTRY_NAME = KEY + sizeof ENDING };

static const unsigned char magic[8] = "GMFEATS\1";
static const uint64_t default_limit = (uint64_t)4 << 30;

struct gm_feature_cache {
  char *directory;
  uint64_t limit, used; /* used: as far as known; counted at the first store */
  bool counted;
  pthread_mutex_t lock; /* guards used and counted */
};

gm_feature_cache *gm_feature_cache_open(const char *directory, uint64_t limit) {
  gm_feature_cache *cache = calloc(1, sizeof *cache);
  if (!cache) return NULL;
  cache->directory = strdup(directory);
  cache->limit = limit ? limit : default_limit;
  pthread_mutex_init(&cache->lock, NULL);
  if (cache->directory) return cache;
  gm_feature_cache_free(cache);
  return NULL;
}

void gm_feature_cache_free(gm_feature_cache *cache) {
  if (!cache) return;
  pthread_mutex_destroy(&cache->lock);
  free(cache->directory);
  free(cache);
}

/* ---- entries as bytes ---- */

static bool read_hex(const char *hex, unsigned char out[32]) {
  if (strlen(hex) != KEY) return false;
  for (size_t i = 0; i < 32; i++) {
    char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
    if (strspn(digits, "0123456789abcdef") != 2) return false;
    out[i] = (unsigned char)strtoul(digits, NULL, 16);
  }
  return true;
}

static uint32_t load_u32(const unsigned char *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void store_u32(unsigned char *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static void sum_values(const void *values, size_t bytes, unsigned char out[32]) {
  char hex[65];
  gm_sha256(values, bytes, hex);
  read_hex(hex, out);
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

bool gm_feature_cache_parse(const void *bytes, size_t size, const char *key, size_t rows,
                            size_t columns, float *values) {
  const unsigned char *at = bytes;
  unsigned char wanted[32], sum[32];
  size_t n, value_bytes;
  if (!gm_mul_size(rows, columns, &n) || !gm_mul_size(n, sizeof *values, &value_bytes))
    return false;
  if (size < HEAD || size - HEAD != value_bytes || memcmp(at, magic, sizeof magic) != 0 ||
      load_u32(at + 8) != columns || load_u32(at + 12) != rows)
    return false;
  sum_values(at + HEAD, value_bytes, sum);
  if (!read_hex(key, wanted) || memcmp(at + 16, wanted, 32) != 0 ||
      memcmp(at + 48, sum, 32) != 0)
    return false;
  memcpy(values, at + HEAD, value_bytes);
  return are_units(values, rows, columns);
}

/* ---- files ---- */

static char *entry_path(const gm_feature_cache *cache, const char *key, const char *ending) {
  char *path = NULL;
  return asprintf(&path, "%s/%s%s", cache->directory, key, ending) < 0 ? NULL : path;
}

bool gm_feature_cache_load(gm_feature_cache *cache, const char *key, size_t rows,
                           size_t columns, float *values) {
  char *path = entry_path(cache, key, ENDING);
  gm_mapping file;
  bool found = path && gm_map_file(&file, path, false, NULL) == GM_OK;
  if (found) {
    found = gm_feature_cache_parse(file.data, file.size, key, rows, columns, values);
    gm_unmap(&file);
    if (found) utimensat(AT_FDCWD, path, NULL, 0); /* used: the youngest */
  }
  free(path);
  return found;
}

/* mkdir -p; only the owner may look inside. */
static bool make_directory(const char *path) {
  char *copy = strdup(path);
  bool ok = copy != NULL;
  for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash;
       slash = strchr(slash + 1, '/')) {
    *slash = 0;
    ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
    *slash = '/';
    if (!ok) break;
  }
  if (ok) ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
  free(copy);
  return ok;
}

static bool write_all(int fd, const void *bytes, size_t n) {
  for (size_t done = 0; done < n;) {
    ssize_t k = write(fd, (const char *)bytes + done, n - done);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return false;
    done += (size_t)k;
  }
  return true;
}

static bool write_entry(const gm_feature_cache *cache, const char *key,
                        const unsigned char head[HEAD], const float *values, size_t bytes) {
  char *path = entry_path(cache, key, ENDING), *part = entry_path(cache, key, ".XXXXXX");
  int fd = path && part ? mkstemp(part) : -1;
  bool ok = fd >= 0 && write_all(fd, head, HEAD) && write_all(fd, values, bytes);
  if (fd >= 0 && close(fd) != 0) ok = false;
  if (ok) ok = rename(part, path) == 0;
  if (fd >= 0 && !ok) unlink(part);
  free(path);
  free(part);
  return ok;
}

/* ---- the limit ---- */

typedef struct entry {
  char name[ENTRY_NAME];
  uint64_t bytes;
  struct timespec used;
} entry;

static int by_age(const void *a, const void *b) {
  const struct timespec *x = &((const entry *)a)->used, *y = &((const entry *)b)->used;
  if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
  return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static bool is_entry(const char *name) {
  return strlen(name) == ENTRY_NAME - 1 && strcmp(name + KEY, ENDING) == 0;
}

/* All entries; *out to be freed. *bytes: of all together. */
static size_t list_entries(const gm_feature_cache *cache, entry **out, uint64_t *bytes) {
  size_t n = 0, capacity = 0;
  DIR *dir = opendir(cache->directory);
  *out = NULL;
  *bytes = 0;
  for (struct dirent *d; dir && (d = readdir(dir));) {
    struct stat st;
    if (!is_entry(d->d_name) || fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (n == capacity) {
      capacity = capacity ? 2 * capacity : 256;
      entry *grown = realloc(*out, capacity * sizeof *grown);
      if (!grown) break;
      *out = grown;
    }
    entry *e = &(*out)[n++];
    memcpy(e->name, d->d_name, sizeof e->name);
    e->bytes = (uint64_t)st.st_size;
    e->used = st.st_mtim;
    *bytes += e->bytes;
  }
  if (dir) closedir(dir);
  return n;
}

/* Removes the oldest entries until a tenth of the limit is free, so that it is not done at
 * every store. */
static void keep_limit(gm_feature_cache *cache, uint64_t stored) {
  pthread_mutex_lock(&cache->lock);
  cache->used += stored;
  if (!cache->counted || cache->used > cache->limit) {
    entry *entries;
    size_t n = list_entries(cache, &entries, &cache->used);
    cache->counted = true;
    if (cache->used > cache->limit) {
      qsort(entries, n, sizeof *entries, by_age);
      uint64_t wanted = cache->limit - cache->limit / 10;
      for (size_t i = 0; i < n && cache->used > wanted; i++) {
        char *path = entry_path(cache, entries[i].name, "");
        if (path && unlink(path) == 0) cache->used -= entries[i].bytes;
        free(path);
      }
    }
    free(entries);
  }
  pthread_mutex_unlock(&cache->lock);
}

void gm_feature_cache_store(gm_feature_cache *cache, const char *key, size_t rows,
                            size_t columns, const float *values) {
  unsigned char head[HEAD];
  size_t bytes = rows * columns * sizeof *values;
  if (bytes > cache->limit || rows > UINT32_MAX || columns > UINT32_MAX) return;
  memcpy(head, magic, sizeof magic);
  store_u32(head + 8, (uint32_t)columns);
  store_u32(head + 12, (uint32_t)rows);
  if (!read_hex(key, head + 16)) return;
  sum_values(values, bytes, head + 48);
  if (make_directory(cache->directory) && write_entry(cache, key, head, values, bytes))
    keep_limit(cache, bytes + HEAD);
}
