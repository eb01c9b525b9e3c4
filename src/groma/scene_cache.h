/* scene_cache.h - what is known of a picture, kept between runs as entries of a cache directory
 * (cache_dir.h), so that the next question about it, in another process, begins at once.
 *
 * Five kinds of entries, each keyed by all that it depends on:
 *   picture   image tokens, the hidden states that regions are made of, proposals; by model and
 *             pixels
 *   maps      fused, that regions' vectors are read from; by picture
 *   vectors   of the list without a box of the user's, or of one such box; by picture and boxes
 *   prefix    keys and values of the prompt's beginning; by picture, list of regions and type
 *   list      those of a list that a box has changed, and of what follows it; by the same and
 *             the position where they begin
 *
 *   "GMSCENE\1"  u64 body bytes  u8 key[32]  u64 sum  u64 0  body
 *
 * The head is little endian, the body as the machine has its numbers; the sum (sum64.h) is over
 * the body. A reader knows how long the body has to be. The body begins at a multiple of 64
 * bytes, so that a prefix is used where it is mapped. */
#ifndef GM_SCENE_CACHE_H
#define GM_SCENE_CACHE_H

#include "cache_dir.h"
#include "regions.h"

typedef struct gm_scene_cache {
  gm_cache_dir *dir;
  char model[65]; /* of all that decides results besides the picture */
} gm_scene_cache;

/* A part of an entry's body in memory, the caller's. */
typedef struct gm_scene_part {
  void *at;
  size_t size;
} gm_scene_part;

enum { GM_SCENE_HEAD = 64 };

void gm_scene_key_picture(const gm_scene_cache *cache, const float *pixels, size_t n,
                          bool proposed, char key[65]);
/* what: tells entries of different content apart. */
void gm_scene_key_boxes(const char *picture, const char *what, const gm_rel_box *boxes,
                        size_t n, char key[65]);

/* At most 8 parts. load fills them; false where there is no whole entry of just that size. */
bool gm_scene_load(const gm_scene_cache *cache, const char *key, const gm_scene_part *parts,
                   size_t n);
void gm_scene_store(const gm_scene_cache *cache, const char *key, const gm_scene_part *parts,
                    size_t n);
/* The entry becomes the youngest, without being read. */
void gm_scene_used(const gm_scene_cache *cache, const char *key);
/* The entry itself, in *file (gm_unmap it); its body, of `size` bytes, begins GM_SCENE_HEAD
 * bytes in. */
bool gm_scene_map(const gm_scene_cache *cache, const char *key, size_t size, gm_mapping *file);

/* Checks the bytes of an entry, with a body of that size: NULL where all is as wanted, else
 * what is not (GM_REFUSED_...). */
const char *gm_scene_fault(const void *bytes, size_t size, const char *key, size_t body);

#endif
