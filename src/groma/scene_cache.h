/* scene_cache.h - what is known of a picture, kept between runs as entries of a cache directory
 * (cache_dir.h), so that the next question about it, in another process, begins at once.
 *
 * Five kinds of entries, each keyed by all that it depends on:
 *   features  image tokens, the hidden states that regions are made of, proposals; by model and
 *             pixels
 *   maps      fused, that regions' vectors are read from; by features
 *   vectors   of the list without a box of the user's, or of one such box; by features, boxes
 *   prefix    keys and values of the prompt's beginning; by features, list of regions, type
 *   list      keys and values of a list that a box has changed and of what follows it; by the
 *             same and the position where they begin
 *
 * An entry is one of cache_entry.h, of the kind "scene". Its body is as the machine has its
 * numbers. A reader knows how long the body has to be. */
#ifndef GM_SCENE_CACHE_H
#define GM_SCENE_CACHE_H

#include "cache_entry.h"
#include "compute.h"
#include "regions.h"

typedef struct gm_scene_cache {
  gm_cache_dir *dir;
  char model[65]; /* of all that decides results besides the picture */
} gm_scene_cache;

/* Where the body of a mapped entry begins: aligned, so that a prefix is used where it is. */
enum { GM_SCENE_BODY_AT = GM_CACHE_HEAD };

void gm_scene_key_features(const gm_scene_cache *cache, const float *pixels, size_t n,
                           bool proposed, char key[65]);
/* what: tells entries of different content apart. */
void gm_scene_key_boxes(const char *features, const char *what, const gm_rel_box *boxes,
                        size_t n, char key[65]);

/* At most GM_CACHE_MAX_PARTS parts. load fills them; false where there is no whole entry of
 * just that size. */
bool gm_scene_load(const gm_scene_cache *cache, const char *key, const gm_cache_part *parts,
                   size_t n);
/* Lets quicker work pass (c->visit) while it writes, as map while it checks. */
void gm_scene_store(const gm_scene_cache *cache, gm_compute *c, const char *key,
                    const gm_cache_part *parts, size_t n);
/* The entry becomes the youngest, without being read. */
void gm_scene_used(const gm_scene_cache *cache, const char *key);
/* The entry itself, in *file (gm_unmap it); its body, of `size` bytes, begins GM_SCENE_BODY_AT
 * bytes in. */
bool gm_scene_map(const gm_scene_cache *cache, gm_compute *c, const char *key, size_t size,
                  gm_mapping *file);

#endif
