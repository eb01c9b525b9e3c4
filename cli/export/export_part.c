/* export_part.c - see export_part.h. */
#include "export_part.h"

#include "file_names.h"
#include "gromatic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUM = 8, RANDOM = 6 };

/* The length of the folder before the base name, with its slash. */
static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* ".gromatic-SUM-" of a path's base name. */
static void part_head(const char *path, char head[32]) {
  const char *base = path + folder_length(path);
  char sum[65];
  gm_sha256(base, strlen(base), sum);
  snprintf(head, 32, ".gromatic-%.*s-", SUM, sum);
}

/* A template for mkstemp or mkdtemp; NULL if memory is short. */
static char *part_template(const char *path) {
  char head[32], *name = NULL;
  part_head(path, head);
  int n = asprintf(&name, "%.*s%sXXXXXX", (int)folder_length(path), path, head);
  return n < 0 ? NULL : name;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)st;
  (void)kind;
  (void)ftw;
  return remove(path);
}

void export_remove_tree(const char *path) {
  enum { DESCRIPTORS = 8 };
  int code = errno;
  nftw(path, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
  errno = code;
}

/* False if another process took it for dead and removed it. On file systems without locks that
 * may happen later. */
static bool hold(int fd) {
  struct stat st;
  while (flock(fd, LOCK_EX) != 0 && errno == EINTR) {
  }
  return fstat(fd, &st) != 0 || st.st_nlink > 0;
}

/* *gone: it was removed before it could be locked. */
static int make_once(char *part, bool folder, bool *gone) {
  int fd = -1;
  *gone = false;
  if (!folder) {
    fd = mkostemp(part, O_CLOEXEC);
  } else if (mkdtemp(part)) {
    fd = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *gone = fd < 0 && errno == ENOENT;
    if (fd < 0) rmdir(part);
  }
  if (fd < 0 || hold(fd)) return fd;
  close(fd);
  *gone = true;
  return -1;
}

int export_part_make(const char *path, bool folder, char **part) {
  enum { MOST = 1000 };
  bool gone = true;
  for (int i = 0; gone && i < MOST; i++) {
    *part = part_template(path);
    int fd = *part ? make_once(*part, folder, &gone) : -1;
    if (fd >= 0) return fd;
    int code = errno;
    gone = gone && *part;
    free(*part);
    *part = NULL;
    errno = code;
  }
  return -1;
}

static void remove_if_dead(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) export_remove_tree(path);
  close(fd);
}

void export_parts_remove(const char *path) {
  char head[32], *folder = NULL;
  size_t length = folder_length(path);
  part_head(path, head);
  folder = length ? strndup(path, length) : strdup("./");
  if (!folder) return;
  DIR *dir = opendir(folder);
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    char *part = NULL;
    bool ours = strncmp(entry->d_name, head, strlen(head)) == 0 &&
                strlen(entry->d_name) == strlen(head) + RANDOM;
    if (!ours || asprintf(&part, "%s%s", folder, entry->d_name) < 0) continue;
    remove_if_dead(part);
    free(part);
  }
  if (dir) closedir(dir);
  free(folder);
}

/* ---- one file ---- */

bool export_file_open(export_file *file, const char *path) {
  struct stat st;
  *file = (export_file){.path = cli_real_name(path)};
  if (file->path) export_parts_remove(file->path);
  int fd = file->path ? export_part_make(file->path, false, &file->part) : -1;
  if (fd >= 0) {
    mode_t mask = umask(0);
    umask(mask);
    /* The new file has the same readers as the file that it replaces. */
    mode_t mode = stat(file->path, &st) == 0 ? st.st_mode & 0777 : 0666 & ~mask;
    if (fchmod(fd, mode) == 0) file->out = fdopen(fd, "w");
    if (!file->out) {
      close(fd);
      unlink(file->part);
    }
  }
  if (file->out) return true;
  int code = errno;
  free(file->path);
  free(file->part);
  errno = code;
  return false;
}

bool export_file_close(export_file *file, bool keep) {
  bool ok = keep && fflush(file->out) == 0 && fsync(fileno(file->out)) == 0;
  if (ok) ok = rename(file->part, file->path) == 0;
  int code = errno;
  if (!ok) unlink(file->part);
  if (fclose(file->out) != 0 && ok) ok = false, code = errno;
  free(file->path);
  free(file->part);
  errno = code;
  return ok;
}

bool export_close(FILE *file) {
  bool ok = !ferror(file) && fflush(file) == 0;
  int code = errno;
  if (fclose(file) != 0 && ok) return false;
  errno = code;
  return ok;
}
