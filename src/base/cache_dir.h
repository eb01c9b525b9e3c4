/* cache_dir.h - a directory of files that can be made again, kept between runs and shared by
 * processes: one file an entry, KEY.KIND.
 *
 * The key is the SHA-256, in hex, of all that the entry's bytes depend on; the kind (lower-case
 * letters) tells entries of different formats apart. An entry appears whole or not at all
 * (written beside its name, then renamed); it is not synced, so whoever reads it checks a sum
 * of its own. Whatever is wrong with an entry, it counts as absent: a cache never makes a call
 * fail; which entries were refused can be asked (gm_cache_dir_refusals). The limit holds for
 * all kinds together; the entries that were not used for the longest time go first. */
#ifndef GM_CACHE_DIR_H
#define GM_CACHE_DIR_H

#include "mapping.h"

typedef struct gm_cache_dir gm_cache_dir;

/* NULL if memory is short. The directory is made when something is stored. limit: bytes of all
 * entries together; 0: 4 GiB. Thread-safe but for free. */
gm_cache_dir *gm_cache_dir_open(const char *directory, uint64_t limit);
void gm_cache_dir_free(gm_cache_dir *dir);
uint64_t gm_cache_dir_limit(const gm_cache_dir *dir);

/* Maps the entry's bytes (gm_unmap them); false where there is none, or none that can be read,
 * which is a refusal. Its pages stay valid when the entry is replaced or removed meanwhile. */
bool gm_cache_dir_map(gm_cache_dir *dir, const char *key, const char *kind, gm_mapping *out);
/* Its bytes are not as wanted; why: one of these. */
void gm_cache_dir_refuse(gm_cache_dir *dir, const char *key, const char *kind, const char *why);
#define GM_REFUSED_FILE "found no file that can be read"
#define GM_REFUSED_SIZE "found another size than it has to have"
#define GM_REFUSED_HEAD "found the head of another entry"
#define GM_REFUSED_SUM "found other bytes than were written"
#define GM_REFUSED_FEATURES "found features that are no unit vectors"
/* The path is the directory: nothing could be kept in it. */
#define GM_REFUSED_ACCESS "may not be written to, nothing is kept"
#define GM_REFUSED_ROOM "has no room left, nothing more is kept"
#define GM_REFUSED_NO_FOLDER "is no folder, nothing is kept"
#define GM_REFUSED_WRITE "cannot be written to, nothing is kept"
/* See gm_model_refusals. */
const gm_cache_refusal *gm_cache_dir_refusals(gm_cache_dir *dir, size_t *n);
/* The entry was of use: it becomes the youngest. */
void gm_cache_dir_used(const gm_cache_dir *dir, const char *key, const char *kind);

typedef struct gm_cache_piece {
  const void *bytes;
  size_t size;
} gm_cache_piece;
/* Keeps the pieces, one after the other; then the oldest entries go until the rest is within
 * the limit. An entry over the limit is not kept. Other processes may go over the limit with
 * what they store at the same time; whoever stores next sets it right. */
void gm_cache_dir_store(gm_cache_dir *dir, const char *key, const char *kind,
                        const gm_cache_piece *pieces, size_t n);
/* Whether an entry of that size can be expected to be kept: it is within the limit, the
 * directory can be written, and the disk has room. For entries that are much work to make. */
bool gm_cache_dir_has_room(const gm_cache_dir *dir, uint64_t bytes);

#endif
