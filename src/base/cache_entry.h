/* cache_entry.h - the one format of entries in a cache directory (cache_dir.h): a head that
 * says what the entry is, and a body whose format its kind defines.
 *
 *   0    "GMCACHE" and one byte: the version of this head, 1
 *   8    u8 kind[8]: the kind's name, filled up with zeros
 *   16   u64 bytes of the body
 *   24   u64 sum of the body
 *   32   u8 key[32]: the bytes of the key that the file's name has in hex
 *   64   zeros up to the body, which begins where its kind says
 *
 * The head is little endian; the body has the machine's byte order. The body begins at a
 * multiple of 64 bytes, so that it can be used in the mapping.
 *
 * The sum: the body is cut into pieces, so that threads can sum them in parallel. A piece is a
 * 64th of the body, rounded up to a multiple of 64, and at least 1 MiB; the last may be
 * shorter. The sum is the sum64 (sum64.h) of the pieces' sum64s, 8 bytes each.
 *
 * A reader knows the kind, key and size of the entry that it wants. It makes the head from them
 * and compares, so it never uses a number from the file. An entry that differs counts as
 * absent, so every byte is checked. Entries of other or older formats are refused like any
 * other file. All functions are thread-safe. */
#ifndef GM_CACHE_ENTRY_H
#define GM_CACHE_ENTRY_H

#include "cache_dir.h"
#include "threads.h"

/* What one kind's entries have in common. */
typedef struct gm_cache_kind {
  const char *name; /* 1 to 8 lower-case letters; also the file name's ending */
  size_t body_at;   /* offset of the body: a multiple of 64, at most GM_CACHE_BODY_MAX */
} gm_cache_kind;

/* The bytes of the head, and the largest offset of a body. */
enum { GM_CACHE_HEAD = 64, GM_CACHE_BODY_MAX = 4096 };

/* A part of an entry's body in the caller's memory. Parts follow each other without gaps. */
typedef struct gm_cache_part {
  void *at;
  size_t size;
} gm_cache_part;
enum { GM_CACHE_MAX_PARTS = 8 };

/* NULL if these are the bytes of the entry with that key and a body of `body` bytes, else the
 * reason for refusal (GM_REFUSED_...). pool may be NULL. */
const char *gm_cache_entry_fault(const void *bytes, size_t size, const gm_cache_kind *kind,
                                 const char *key, size_t body, gm_pool *pool);
/* The same, but copies the body to the n <= GM_CACHE_MAX_PARTS parts and checks the copy, since
 * other processes may change a mapped file. After a fault the parts' contents are unspecified.
 */
const char *gm_cache_entry_read(const void *bytes, size_t size, const gm_cache_kind *kind,
                                const char *key, const gm_cache_part *parts, size_t n);

/* Maps the entry (gm_unmap it) and checks it; its body begins kind->body_at bytes in. The entry
 * becomes the youngest. False if it is absent or refused. pool and pause may be NULL; where
 * there is a pause, the calling thread works alone. */
bool gm_cache_entry_map(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                        size_t body, gm_pool *pool, const gm_cache_pause *pause,
                        gm_mapping *file);
/* Reads the entry as gm_cache_entry_read does. False if it is absent or refused. */
bool gm_cache_entry_load(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                         const gm_cache_part *parts, size_t n);
/* The last step of map and load, for a kind that checks more. With a fault the entry is refused
 * and the result is false; without, it becomes the youngest and the result is true. */
bool gm_cache_entry_accept(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                           const char *fault);
/* Stores the n <= GM_CACHE_MAX_PARTS parts with gm_cache_dir_store. pool and pause as in
 * gm_cache_entry_map. */
void gm_cache_entry_store(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                          const gm_cache_part *parts, size_t n, gm_pool *pool,
                          const gm_cache_pause *pause);

#endif
