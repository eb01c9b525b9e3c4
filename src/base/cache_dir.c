/* cache_dir.c - see cache_dir.h. */
#include "cache_dir.h"

#include "write_all.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
  KEY = 64,
  MAX_NAME = KEY + 32,
  STALE_SECONDS = 24 * 60 * 60,
  MOST_REFUSALS = 16,
  WRITTEN_AT_ONCE = 8 << 20
};

static const uint64_t default_limit = (uint64_t)4 << 30;
static const char letters[] = "abcdefghijklmnopqrstuvwxyz", hex[] = "0123456789abcdef";

struct gm_cache_dir {
  char *directory;
  uint64_t limit, used; /* used: an estimate, counted at the first store */
  bool counted;
  gm_cache_refusal refusals[MOST_REFUSALS]; /* [n_refusals]; we own the paths */
  size_t n_refusals;
  pthread_mutex_t lock; /* guards used, counted and the refusals */
};

gm_cache_dir *gm_cache_dir_open(const char *directory, uint64_t limit) {
  gm_cache_dir *dir = calloc(1, sizeof *dir);
  if (!dir) return NULL;
  dir->directory = strdup(directory);
  dir->limit = limit ? limit : default_limit;
  pthread_mutex_init(&dir->lock, NULL);
  if (dir->directory) return dir;
  gm_cache_dir_free(dir);
  return NULL;
}

void gm_cache_dir_free(gm_cache_dir *dir) {
  if (!dir) return;
  for (size_t i = 0; i < dir->n_refusals; i++) free((char *)(uintptr_t)dir->refusals[i].path);
  pthread_mutex_destroy(&dir->lock);
  free(dir->directory);
  free(dir);
}

uint64_t gm_cache_dir_limit(const gm_cache_dir *dir) {
  return dir->limit;
}

/* ---- reading ---- */

/* ending: what follows "KEY.KIND". */
static char *path_of(const gm_cache_dir *dir, const char *key, const char *kind,
                     const char *ending) {
  char *path = NULL;
  assert(*kind && kind[strspn(kind, letters)] == 0); /* else is_ours would not recognise it */
  assert(KEY + 1 + strlen(kind) + strlen(ending) < MAX_NAME);
  if (strlen(key) != KEY || strspn(key, hex) != KEY) return NULL;
  return asprintf(&path, "%s/%s.%s%s", dir->directory, key, kind, ending) < 0 ? NULL : path;
}

/* Takes ownership of path. */
static void refuse(gm_cache_dir *dir, char *path, const char *why) {
  bool known = false;
  pthread_mutex_lock(&dir->lock);
  for (size_t i = 0; path && i < dir->n_refusals; i++)
    known = known || strcmp(dir->refusals[i].path, path) == 0;
  if (path && !known && dir->n_refusals < MOST_REFUSALS) {
    dir->refusals[dir->n_refusals++] = (gm_cache_refusal){.path = path, .why = why};
    path = NULL;
  }
  pthread_mutex_unlock(&dir->lock);
  free(path);
}

bool gm_cache_dir_map(gm_cache_dir *dir, const char *key, const char *kind, gm_mapping *out) {
  char *path = path_of(dir, key, kind, "");
  gm_status status = path ? gm_map_file(out, path, true, NULL) : GM_ERR_FILE_NOT_FOUND;
  if (status == GM_ERR_IO)
    refuse(dir, path, GM_REFUSED_FILE);
  else
    free(path);
  return status == GM_OK;
}

void gm_cache_dir_refuse(gm_cache_dir *dir, const char *key, const char *kind,
                         const char *why) {
  refuse(dir, path_of(dir, key, kind, ""), why);
}

const gm_cache_refusal *gm_cache_dir_refusals(gm_cache_dir *dir, size_t *n) {
  pthread_mutex_lock(&dir->lock);
  assert(dir->n_refusals <= MOST_REFUSALS);
  *n = dir->n_refusals;
  pthread_mutex_unlock(&dir->lock);
  return dir->refusals;
}

void gm_cache_dir_used(const gm_cache_dir *dir, const char *key, const char *kind) {
  char *path = path_of(dir, key, kind, "");
  if (path) utimensat(AT_FDCWD, path, NULL, 0);
  free(path);
}

/* ---- the limit ---- */

typedef struct entry {
  char name[MAX_NAME];
  uint64_t bytes;
  struct timespec used;
} entry;

static int by_age(const void *a, const void *b) {
  const struct timespec *x = &((const entry *)a)->used, *y = &((const entry *)b)->used;
  if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
  return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* KEY.KIND (*whole true), or KEY.KIND.XXXXXX while it is written (*whole false). */
static bool is_ours(const char *name, bool *whole) {
  if (strlen(name) >= MAX_NAME || strspn(name, hex) != KEY || name[KEY] != '.') return false;
  size_t kind = strspn(name + KEY + 1, letters);
  const char *rest = name + KEY + 1 + kind;
  *whole = *rest == 0;
  return kind > 0 && (*whole || (*rest == '.' && strlen(rest) == 7));
}

/* All entries; the caller frees *out. *bytes: their total size. Removes unfinished files that
 * are older than a day: a killed process left them. */
static size_t list_entries(const gm_cache_dir *cache, entry **out, uint64_t *bytes) {
  size_t n = 0, capacity = 0;
  DIR *dir = opendir(cache->directory);
  *out = NULL;
  *bytes = 0;
  for (struct dirent *d; dir && (d = readdir(dir));) {
    struct stat st;
    bool whole;
    if (!is_ours(d->d_name, &whole) ||
        fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (!whole) {
      if (time(NULL) - st.st_mtim.tv_sec > STALE_SECONDS) unlinkat(dirfd(dir), d->d_name, 0);
      continue;
    }
    if (n == capacity) {
      capacity = capacity ? 2 * capacity : 256;
      entry *grown = realloc(*out, capacity * sizeof *grown);
      if (!grown) break;
      *out = grown;
    }
    entry *e = &(*out)[n++];
    memcpy(e->name, d->d_name, strlen(d->d_name) + 1); /* is_ours: shorter than MAX_NAME */
    e->bytes = (uint64_t)st.st_size;
    e->used = st.st_mtim;
    *bytes += e->bytes;
  }
  if (dir) closedir(dir);
  return n;
}

/* Keeps the youngest entry, even if it alone is over the limit. */
static void remove_oldest(gm_cache_dir *dir, entry *entries, size_t n, uint64_t wanted) {
  if (n) qsort(entries, n, sizeof *entries, by_age);
  for (size_t i = 0; i + 1 < n && dir->used > wanted; i++) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir->directory, entries[i].name) < 0) return;
    assert(dir->used >= entries[i].bytes);
    if (unlink(path) == 0) dir->used -= entries[i].bytes;
    free(path);
  }
}

/* Removes the oldest entries until a tenth of the limit is free, so that not every store has
 * to. */
static void keep_limit(gm_cache_dir *dir, uint64_t stored) {
  pthread_mutex_lock(&dir->lock);
  dir->used += stored;
  if (!dir->counted || dir->used > dir->limit) {
    entry *entries;
    size_t n = list_entries(dir, &entries, &dir->used);
    dir->counted = true;
    if (dir->used > dir->limit) remove_oldest(dir, entries, n, dir->limit - dir->limit / 10);
    free(entries);
  }
  pthread_mutex_unlock(&dir->lock);
}

/* ---- writing ---- */

/* mkdir -p; only the owner may read the directory. */
static bool make_directory(const char *path) {
  char *copy = strdup(path);
  bool ok = copy && *copy;
  for (char *slash = ok ? strchr(copy + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
    *slash = '/';
    if (!ok) break;
  }
  struct stat st;
  if (ok && mkdir(copy, 0700) != 0) {
    ok = errno == EEXIST && stat(copy, &st) == 0 && S_ISDIR(st.st_mode);
  }
  int code = errno;
  free(copy);
  errno = code;
  return ok;
}

static bool write_piece(int fd, const gm_cache_piece *piece, const gm_cache_pause *pause) {
  const unsigned char *bytes = piece->bytes;
  for (size_t at = 0, n; at < piece->size; at += n) {
    if (pause && at > 0) pause->call(pause->user);
    n = piece->size - at < WRITTEN_AT_ONCE ? piece->size - at : WRITTEN_AT_ONCE;
    if (!gm_write_all(fd, bytes + at, n)) return false;
  }
  return true;
}

static bool write_entry(const gm_cache_dir *dir, const char *key, const char *kind,
                        const gm_cache_piece *pieces, size_t n, const gm_cache_pause *pause) {
  char *path = path_of(dir, key, kind, ""), *part = path_of(dir, key, kind, ".XXXXXX");
  int fd = path && part ? mkstemp(part) : -1;
  bool ok = fd >= 0;
  for (size_t i = 0; i < n && ok; i++) ok = write_piece(fd, &pieces[i], pause);
  int code = errno;
  if (fd >= 0 && close(fd) != 0 && ok) ok = false, code = errno;
  if (ok && rename(part, path) != 0) ok = false, code = errno;
  if (fd >= 0 && !ok) unlink(part);
  free(path);
  free(part);
  errno = code;
  return ok;
}

/* The directory itself cannot be used; code: errno. */
static void refuse_directory(gm_cache_dir *dir, int code) {
  bool forbidden = code == EACCES || code == EPERM || code == EROFS;
  bool full = code == ENOSPC || code == EDQUOT;
  if (code == EISDIR) return; /* a folder has the entry's name */
  bool other = code == ENOTDIR || code == EEXIST;
  refuse(dir, strdup(dir->directory),
         forbidden ? GM_REFUSED_ACCESS
         : full    ? GM_REFUSED_ROOM
         : other   ? GM_REFUSED_NO_FOLDER
                   : GM_REFUSED_WRITE);
}

void gm_cache_dir_store(gm_cache_dir *dir, const char *key, const char *kind,
                        const gm_cache_piece *pieces, size_t n, const gm_cache_pause *pause) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < n; i++) bytes += pieces[i].size;
  if (bytes > dir->limit) return;
  if (make_directory(dir->directory) && write_entry(dir, key, kind, pieces, n, pause))
    keep_limit(dir, bytes);
  else
    refuse_directory(dir, errno);
}

bool gm_cache_dir_has_room(const gm_cache_dir *dir, uint64_t bytes) {
  struct statvfs disk;
  return bytes <= dir->limit && make_directory(dir->directory) &&
         access(dir->directory, W_OK | X_OK) == 0 && statvfs(dir->directory, &disk) == 0 &&
         bytes / disk.f_frsize < disk.f_bavail;
}
