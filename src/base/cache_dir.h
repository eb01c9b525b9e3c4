/* cache_dir.h - a directory of files that can be made again. They are kept between runs and
 * shared by processes. Each entry is one file, KEY.KIND.
 *
 * The key is the SHA-256, in hex, of everything that the entry's bytes depend on. The kind
 * (lower case letters) says what the bytes are; their format is cache_entry.h's. An entry
 * appears whole or not at all: it is written under another name, then renamed. It is not
 * synced, so readers check its checksum. If anything is wrong with an entry, it counts as
 * absent: a cache never makes a call fail. gm_cache_dir_refusals lists the entries that were
 * refused. The limit holds for all kinds together; the least recently used entries are removed
 * first. */
#ifndef GM_CACHE_DIR_H
#define GM_CACHE_DIR_H

#include "mapping.h"

typedef struct gm_cache_dir gm_cache_dir;

/* NULL if memory is short. The directory is made when something is stored. limit: bytes of all
 * entries together; 0: 4 GiB. Thread-safe, except for free. */
gm_cache_dir *gm_cache_dir_open(const char *directory, uint64_t limit);
void gm_cache_dir_free(gm_cache_dir *dir);
uint64_t gm_cache_dir_limit(const gm_cache_dir *dir);

/* Maps the entry's bytes (gm_unmap them). False if there is no entry or it cannot be read; the
 * latter is noted as a refusal. The pages stay valid if the entry is replaced or removed. */
bool gm_cache_dir_map(gm_cache_dir *dir, const char *key, const char *kind, gm_mapping *out);
/* Notes that the entry's bytes are not as expected; why: one of the texts below. */
void gm_cache_dir_refuse(gm_cache_dir *dir, const char *key, const char *kind, const char *why);
#define GM_REFUSED_FILE "found no file that can be read"
#define GM_REFUSED_SIZE "found another size than it has to have"
#define GM_REFUSED_HEAD "found the head of another entry"
#define GM_REFUSED_SUM "found other bytes than were written"
#define GM_REFUSED_FEATURES "found features that are not unit vectors"
/* The refusal's path is the directory: nothing could be stored in it. */
#define GM_REFUSED_ACCESS "may not be written to, nothing is kept"
#define GM_REFUSED_ROOM "has no room left, nothing more is kept"
#define GM_REFUSED_NO_FOLDER "is no folder, nothing is kept"
#define GM_REFUSED_WRITE "cannot be written to, nothing is kept"
/* See gm_model_refusal_at. The refusals live as long as dir; the array only grows. */
const gm_cache_refusal *gm_cache_dir_refusals(gm_cache_dir *dir, size_t *n);
/* Notes that the entry was used, so it is removed last. */
void gm_cache_dir_used(const gm_cache_dir *dir, const char *key, const char *kind);

typedef struct gm_cache_piece {
  const void *bytes;
  size_t size;
} gm_cache_piece;
/* What else the calling thread has to do is done between pieces of long reading and writing. */
typedef struct gm_cache_pause {
  void (*call)(void *user);
  void *user;
} gm_cache_pause;

/* Stores the pieces, one after the other, then removes the oldest entries until the rest is
 * within the limit. An entry over the limit is not stored. Processes that store at the same
 * time may exceed the limit together; the next store corrects that. pause may be NULL. */
void gm_cache_dir_store(gm_cache_dir *dir, const char *key, const char *kind,
                        const gm_cache_piece *pieces, size_t n, const gm_cache_pause *pause);
/* Whether an entry of that size would probably be stored: it is within the limit, the directory
 * is writable, and the disk has room. For entries that are expensive to make. */
bool gm_cache_dir_has_room(const gm_cache_dir *dir, uint64_t bytes);

#endif
