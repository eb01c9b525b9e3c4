/* scene_cache.c - see scene_cache.h. The version stands in front of what is hashed: it changes
 * with anything that changes an entry's body but no setting. */
#include "scene_cache.h"

#include "sha256.h"
#include "sum64.h"

#include <assert.h>
#include <string.h>

#define VERSION "gromatic scene 1 "
#define KIND "scene"

enum { MAX_PARTS = 8, SUM_AT = 48 };

static const unsigned char magic[8] = "GMSCENE\1";

/* ---- keys ---- */

void gm_scene_key_picture(const gm_scene_cache *cache, const float *pixels, size_t n,
                          bool proposed, char key[65]) {
  gm_sha256_state sha;
  const char *what = proposed ? "proposed " : "given ";
  gm_sha256_begin(&sha);
  gm_sha256_add(&sha, VERSION, strlen(VERSION));
  gm_sha256_add(&sha, what, strlen(what));
  gm_sha256_add(&sha, cache->model, strlen(cache->model));
  gm_sha256_add(&sha, pixels, n * sizeof *pixels);
  gm_sha256_end(&sha, key);
}

void gm_scene_key_boxes(const char *picture, const char *what, const gm_rel_box *boxes,
                        size_t n, char key[65]) {
  gm_sha256_state sha;
  gm_sha256_begin(&sha);
  gm_sha256_add(&sha, VERSION, strlen(VERSION));
  gm_sha256_add(&sha, picture, strlen(picture));
  gm_sha256_add(&sha, what, strlen(what) + 1);
  gm_sha256_add(&sha, boxes, n * sizeof *boxes);
  gm_sha256_end(&sha, key);
}

/* ---- entries ---- */

static void put_u64(unsigned char *at, uint64_t value) {
  for (int i = 0; i < 8; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static bool make_head(unsigned char head[GM_SCENE_HEAD], const char *key, uint64_t size,
                      uint64_t sum) {
  memset(head, 0, GM_SCENE_HEAD);
  memcpy(head, magic, sizeof magic);
  put_u64(head + 8, size);
  put_u64(head + SUM_AT, sum);
  return gm_sha256_bytes(key, head + 16);
}

const char *gm_scene_fault(const void *bytes, size_t size, const char *key, size_t body) {
  unsigned char head[GM_SCENE_HEAD];
  if (size < GM_SCENE_HEAD || size - GM_SCENE_HEAD != body) return GM_REFUSED_SIZE;
  uint64_t sum = gm_sum64((const unsigned char *)bytes + GM_SCENE_HEAD, body);
  if (!make_head(head, key, body, sum) || memcmp(bytes, head, SUM_AT)) return GM_REFUSED_HEAD;
  return memcmp(bytes, head, sizeof head) ? GM_REFUSED_SUM : NULL;
}

void gm_scene_used(const gm_scene_cache *cache, const char *key) {
  gm_cache_dir_used(cache->dir, key, KIND);
}

bool gm_scene_map(const gm_scene_cache *cache, const char *key, size_t size, gm_mapping *file) {
  if (!gm_cache_dir_map(cache->dir, key, KIND, file)) return false;
  const char *fault = gm_scene_fault(file->data, file->size, key, size);
  if (!fault) {
    gm_scene_used(cache, key);
    return true;
  }
  gm_cache_dir_refuse(cache->dir, key, KIND, fault);
  gm_unmap(file);
  return false;
}

bool gm_scene_load(const gm_scene_cache *cache, const char *key, const gm_scene_part *parts,
                   size_t n) {
  size_t size = 0;
  for (size_t i = 0; i < n; i++) size += parts[i].size;
  gm_mapping file;
  if (!gm_scene_map(cache, key, size, &file)) return false;
  const unsigned char *at = file.data + GM_SCENE_HEAD;
  for (size_t i = 0; i < n; at += parts[i++].size)
    if (parts[i].size) memcpy(parts[i].at, at, parts[i].size);
  gm_unmap(&file);
  return true;
}

/* One sum over all parts, as gm_scene_fault takes it over the whole body. */
static uint64_t sum_of(const gm_scene_part *parts, size_t n) {
  gm_sum64_state sum = gm_sum64_begin();
  for (size_t i = 0; i < n; i++) gm_sum64_add(&sum, parts[i].at, parts[i].size);
  return gm_sum64_end(&sum);
}

void gm_scene_store(const gm_scene_cache *cache, const char *key, const gm_scene_part *parts,
                    size_t n) {
  unsigned char head[GM_SCENE_HEAD];
  gm_cache_piece pieces[1 + MAX_PARTS] = {{head, sizeof head}};
  size_t size = 0;
  assert(n <= MAX_PARTS);
  for (size_t i = 0; i < n; i++) {
    pieces[1 + i] = (gm_cache_piece){parts[i].at, parts[i].size};
    size += parts[i].size;
  }
  if (make_head(head, key, size, sum_of(parts, n)))
    gm_cache_dir_store(cache->dir, key, KIND, pieces, 1 + n);
}
