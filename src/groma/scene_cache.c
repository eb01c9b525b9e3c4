/* scene_cache.c - see scene_cache.h. The version comes first in what is hashed: it changes with
 * anything that changes an entry but no setting. */
#include "scene_cache.h"

#include "sha256.h"

#define VERSION "gromatic scene 2"

static const gm_cache_kind kind = {.name = "scene", .body_at = GM_SCENE_BODY_AT};

/* ---- keys ---- */

void gm_scene_key_features(const gm_scene_cache *cache, const float *pixels, size_t n,
                           bool proposed, char key[65]) {
  gm_sha256_state sha;
  const char *what = proposed ? "proposed" : "given";
  gm_sha256_begin(&sha);
  gm_sha256_add_text(&sha, VERSION);
  gm_sha256_add_text(&sha, what);
  gm_sha256_add_text(&sha, cache->model);
  gm_sha256_add(&sha, pixels, n * sizeof *pixels);
  gm_sha256_end(&sha, key);
}

void gm_scene_key_boxes(const char *features, const char *what, const gm_rel_box *boxes,
                        size_t n, char key[65]) {
  gm_sha256_state sha;
  gm_sha256_begin(&sha);
  gm_sha256_add_text(&sha, VERSION);
  gm_sha256_add_text(&sha, features);
  gm_sha256_add_text(&sha, what);
  gm_sha256_add(&sha, boxes, n * sizeof *boxes);
  gm_sha256_end(&sha, key);
}

/* ---- entries ---- */

void gm_scene_used(const gm_scene_cache *cache, const char *key) {
  gm_cache_dir_used(cache->dir, key, kind.name);
}

static void let_pass(void *user) {
  gm_compute *c = user;
  if (c->visit) c->visit(c->visit_user);
}

bool gm_scene_map(const gm_scene_cache *cache, gm_compute *c, const char *key, size_t size,
                  gm_mapping *file) {
  const gm_cache_pause pause = {let_pass, c};
  return gm_cache_entry_map(cache->dir, &kind, key, size, NULL, &pause, file);
}

bool gm_scene_load(const gm_scene_cache *cache, const char *key, const gm_cache_part *parts,
                   size_t n) {
  return gm_cache_entry_load(cache->dir, &kind, key, parts, n);
}

void gm_scene_store(const gm_scene_cache *cache, gm_compute *c, const char *key,
                    const gm_cache_part *parts, size_t n) {
  const gm_cache_pause pause = {let_pass, c};
  gm_cache_entry_store(cache->dir, &kind, key, parts, n, NULL, &pause);
}
