/* cache_entry.h - the one format of entries in a cache directory (cache_dir.h): a head that
 * says what the entry is, and a body that only its kind knows.
 *
 *   0    "GMCACHE" and one byte: the version of this head, 1
 *   8    u8 kind[8]: the kind's name, filled up with zeros
 *   16   u64 bytes of the body
 *   24   u64 sum of the body
 *   32   u8 key[32]: the bytes of the key that the file's name has in hex
 *   64   zeros up to the body, which begins where its kind says
 *
 * The head is little endian, the body as the machine has its numbers. The body begins at a
 * multiple of 64 bytes, so that it can be used where it is mapped.
 *
 * The sum: the body is cut into pieces of the same size, the last may be shorter; the size is
 * the 64th part of the body, rounded up to a multiple of 64, and at least 1 MiB. The sum is the
 * sum64 (sum64.h) of the pieces' sum64s, 8 bytes each. So threads sum pieces at the same time.
 *
 * A reader knows kind, key and size of the entry that it wants. It makes the head from them and
 * compares: it never uses a number of the file. What differs counts as absent, so every byte of
 * an entry is checked. Entries of other formats, older ones too, are refused like any other
 * file. All functions are thread-safe. */
#ifndef GM_CACHE_ENTRY_H
#define GM_CACHE_ENTRY_H

#include "cache_dir.h"
#include "threads.h"

/* What one kind's entries have in common. */
typedef struct gm_cache_kind {
  const char *name; /* 1 to 8 lower-case letters; also what the file's name ends with */
  size_t body_at;   /* where the body begins: a multiple of 64, at most GM_CACHE_BODY_MAX */
} gm_cache_kind;

/* The head's own bytes, and the most that a kind may put before its body. */
enum { GM_CACHE_HEAD = 64, GM_CACHE_BODY_MAX = 4096 };

/* A part of an entry's body in memory; the caller's. Parts lie in the body without gaps. */
typedef struct gm_cache_part {
  void *at;
  size_t size;
} gm_cache_part;
enum { GM_CACHE_MAX_PARTS = 8 };

/* NULL where these are the bytes of the entry with that key and a body of `body` bytes, else
 * what is not as wanted (GM_REFUSED_...). pool may be NULL. */
const char *gm_cache_entry_fault(const void *bytes, size_t size, const gm_cache_kind *kind,
                                 const char *key, size_t body, gm_pool *pool);
/* The same; copies the body to the n <= GM_CACHE_MAX_PARTS parts, and checks the copy, since
 * others may change a mapped file. After a fault the parts hold any bytes. */
const char *gm_cache_entry_read(const void *bytes, size_t size, const gm_cache_kind *kind,
                                const char *key, const gm_cache_part *parts, size_t n);

/* Maps the entry (gm_unmap it) and checks it; its body begins kind->body_at bytes in. The entry
 * becomes the youngest. False where it is absent or refused. pool may be NULL. */
bool gm_cache_entry_map(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                        size_t body, gm_pool *pool, gm_mapping *file);
/* Reads the entry as gm_cache_entry_read does. False, as gm_cache_entry_map. */
bool gm_cache_entry_load(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                         const gm_cache_part *parts, size_t n);
/* What map and load do at the end, for a kind that checks more: with a fault the entry is
 * refused, without it becomes the youngest. True without. */
bool gm_cache_entry_accept(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                           const char *fault);
/* Keeps the n <= GM_CACHE_MAX_PARTS parts, if the directory takes them (gm_cache_dir_store). */
void gm_cache_entry_store(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                          const gm_cache_part *parts, size_t n, gm_pool *pool);

#endif
