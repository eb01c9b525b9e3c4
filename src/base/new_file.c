/* new_file.c - see new_file.h. */
#include "new_file.h"

#include "rng.h"
#include "write_all.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static gm_status fail_at(const gm_new_file *file, const char *what, gm_error *err) {
  return gm_fail(err, errno == ENOMEM ? GM_ERR_MEMORY : GM_ERR_IO, "%s: cannot %s: %s",
                 file->path, what, strerror(errno));
}

/* Resolves a path relative to a link's folder; NULL if memory is short. */
static char *beside_link(const char *link, const char *target) {
  const char *slash = strrchr(link, '/');
  char *path = NULL;
  int n = target[0] == '/' || !slash
              ? asprintf(&path, "%s", target)
              : asprintf(&path, "%.*s/%s", (int)(slash - link), link, target);
  return n < 0 ? NULL : path;
}

/* The target of a symbolic link, which need not exist yet. Writing the target keeps the link a
 * link. */
static char *real_name(const char *path) {
  enum { MOST_LINKS = 40 };
  char target[4096], *name = realpath(path, NULL);
  if (name) return name;
  name = strdup(path);
  for (int i = 0; name && i < MOST_LINKS; i++) {
    ssize_t n = readlink(name, target, sizeof target - 1);
    if (n <= 0) break;
    target[n] = 0;
    char *next = beside_link(name, target);
    free(name);
    name = next;
  }
  return name;
}

/* How many bytes of name a part's name begins with: all of it, or, if the ending would not fit,
 * whole characters that leave room for the ending and a sum of the name. */
static size_t kept_length(const char *name) {
  enum { LONGEST = 255, ENDING = 32, SUM = 17 };
  size_t n = strlen(name);
  if (n + ENDING <= LONGEST) return n;
  n = LONGEST - ENDING - SUM;
  while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) n--;
  return n;
}

/* The beginning of its parts' names; to be freed. */
static char *part_stem(const char *name) {
  size_t kept = kept_length(name), n = strlen(name);
  char *stem = NULL;
  int length = kept == n ? asprintf(&stem, "%s.", name)
                         : asprintf(&stem, "%.*s-%016llx.", (int)kept, name,
                                    (unsigned long long)gm_fnv1a(name, n));
  return length < 0 ? NULL : stem;
}

/* Locks the file for as long as fd is open, which marks it as being written. False if it was
 * taken for an abandoned file and removed first. Without file locks nothing is removed. */
static bool claim(int fd) {
  struct stat st;
  while (flock(fd, LOCK_EX) != 0 && errno == EINTR) {
  }
  return fstat(fd, &st) != 0 || st.st_nlink > 0;
}

/* Creates a new file beside path, with a new file's permissions. */
static int open_beside(gm_new_file *file) {
  const char *slash = strrchr(file->path, '/'), *name = slash ? slash + 1 : file->path;
  size_t size = strlen(file->path) + 64;
  char *stem = part_stem(name);
  file->temporary = stem ? malloc(size) : NULL;
  if (!file->temporary) {
    free(stem);
    return -1;
  }
  int used =
      snprintf(file->temporary, size, "%.*s%s", (int)(name - file->path), file->path, stem);
  free(stem);
  for (unsigned i = 0; i < 1000; i++) {
    snprintf(file->temporary + used, size - (size_t)used, "%ld-%u.part", (long)getpid(), i);
    int fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 ? claim(fd) : errno != EEXIST) return fd;
    if (fd >= 0) close(fd);
  }
  return -1;
}

/* ---- what killed processes left ---- */

/* PID-N.part, as open_beside makes it. */
static bool is_part_ending(const char *pid) {
  static const char digits[] = "0123456789";
  const char *dash = pid + strspn(pid, digits);
  if (dash == pid || *dash != '-') return false;
  const char *number = dash + 1, *end = number + strspn(number, digits);
  return end > number && strcmp(end, ".part") == 0;
}

static bool is_part_of(const char *entry, const char *stem) {
  size_t n = strlen(stem);
  return strncmp(entry, stem, n) == 0 && is_part_ending(entry + n);
}

/* NAME.ENDING.PID-N.part for one of the endings. */
static bool is_part_with(const char *entry, const char *const *endings) {
  size_t length = strlen(entry);
  for (; *endings; endings++) {
    size_t n = strlen(*endings);
    for (size_t i = 1; i + n < length; i++)
      if (strncasecmp(entry + i, *endings, n) == 0 && entry[i + n] == '.' &&
          is_part_ending(entry + i + n + 1))
        return true;
  }
  return false;
}

/* A writer holds the lock until the file has its final name; if its process ends, the lock is
 * released. */
static void remove_if_dead(int directory, const char *entry) {
  struct stat held, named;
  int fd = openat(directory, entry, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  if (fstat(fd, &held) == 0 && S_ISREG(held.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
      fstatat(directory, entry, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
      named.st_dev == held.st_dev && named.st_ino == held.st_ino)
    unlinkat(directory, entry, 0);
  close(fd);
}

void gm_new_file_remove_dead(const char *path) {
  char *real = real_name(path), *copy = real ? strdup(real) : NULL;
  const char *slash = real ? strrchr(real, '/') : NULL, *name = slash ? slash + 1 : real;
  char *stem = real ? part_stem(name) : NULL;
  DIR *dir = copy && stem ? opendir(dirname(copy)) : NULL;
  for (struct dirent *entry; dir && (entry = readdir(dir));)
    if (is_part_of(entry->d_name, stem)) remove_if_dead(dirfd(dir), entry->d_name);
  if (dir) closedir(dir);
  free(stem);
  free(copy);
  free(real);
}

void gm_new_file_remove_dead_in(const char *directory, const char *const *endings) {
  DIR *dir = opendir(directory);
  for (struct dirent *entry; dir && (entry = readdir(dir));)
    if (is_part_with(entry->d_name, endings)) remove_if_dead(dirfd(dir), entry->d_name);
  if (dir) closedir(dir);
}

/* ---- writing ---- */

gm_status gm_new_file_begin(gm_new_file *file, const char *path, gm_error *err) {
  *file = (gm_new_file){.fd = -1, .path = real_name(path)};
  if (!file->path) return gm_fail_memory(err, "a file name", strlen(path));
  struct stat st;
  bool there = stat(file->path, &st) == 0, special = there && !S_ISREG(st.st_mode);
  if (special)
    file->fd = open(file->path, O_WRONLY | O_CLOEXEC);
  else
    file->fd = open_beside(file);
  /* The new file can be read by those who can read the file it replaces, and nobody else. */
  if (file->fd >= 0 && there && !special) (void)fchmod(file->fd, st.st_mode & 0777);
  if (file->fd >= 0) return GM_OK;
  if (!special) {
    free(file->temporary);
    file->temporary = NULL;
  }
  return fail_at(file, "create", err);
}

gm_status gm_new_file_write(gm_new_file *file, const void *bytes, size_t n, gm_error *err) {
  assert(file->fd >= 0 && file->path); /* between begin and end */
  return gm_write_all(file->fd, bytes, n) ? GM_OK : fail_at(file, "write", err);
}

/* Writes the directory to disk, so that the new name survives a power cut. Errors are ignored:
 * some file systems cannot do it, and the file itself is already on disk. Changes path. */
static void sync_directory_of(char *path) {
  int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

gm_status gm_new_file_commit(gm_new_file *file, gm_error *err) {
  assert(file->fd >= 0 && file->path);
  if (!file->temporary) return GM_OK;
  if (fsync(file->fd) != 0) return fail_at(file, "bring to disk", err);
  if (rename(file->temporary, file->path) != 0) return fail_at(file, "replace", err);
  sync_directory_of(file->temporary);
  free(file->temporary);
  file->temporary = NULL;
  return GM_OK;
}

void gm_new_file_end(gm_new_file *file) {
  if (file->fd >= 0) close(file->fd);
  if (file->temporary) unlink(file->temporary);
  free(file->temporary);
  free(file->path);
  *file = (gm_new_file){.fd = -1};
}
