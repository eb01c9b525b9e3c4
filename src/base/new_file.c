/* new_file.c - see new_file.h. */
#include "new_file.h"

#include "write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gm_status fail_at(const gm_new_file *file, const char *what, gm_error *err) {
  return gm_fail(err, errno == ENOMEM ? GM_ERR_MEMORY : GM_ERR_IO, "%s: cannot %s: %s",
                 file->path, what, strerror(errno));
}

/* The file that a symbolic link means, so that the link stays one. */
static char *real_name(const char *path) {
  char *real = realpath(path, NULL);
  return real ? real : strdup(path);
}

/* A name beside path that is not there yet, opened with the rights that a new file gets. */
static int open_beside(gm_new_file *file) {
  size_t size = strlen(file->path) + 32;
  file->temporary = malloc(size);
  if (!file->temporary) return -1;
  for (unsigned i = 0; i < 1000; i++) {
    snprintf(file->temporary, size, "%s.%ld-%u.part", file->path, (long)getpid(), i);
    int fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

gm_status gm_new_file_begin(gm_new_file *file, const char *path, gm_error *err) {
  *file = (gm_new_file){.fd = -1, .path = real_name(path)};
  if (!file->path) return gm_fail_memory(err, "a file name", strlen(path));
  struct stat st;
  bool special = stat(file->path, &st) == 0 && !S_ISREG(st.st_mode);
  if (special)
    file->fd = open(file->path, O_WRONLY | O_CLOEXEC);
  else
    file->fd = open_beside(file);
  if (file->fd >= 0) return GM_OK;
  if (!special) {
    free(file->temporary);
    file->temporary = NULL;
  }
  return fail_at(file, "create", err);
}

gm_status gm_new_file_write(gm_new_file *file, const void *bytes, size_t n, gm_error *err) {
  return gm_write_all(file->fd, bytes, n) ? GM_OK : fail_at(file, "write", err);
}

gm_status gm_new_file_commit(gm_new_file *file, gm_error *err) {
  if (!file->temporary) return GM_OK;
  if (fsync(file->fd) != 0) return fail_at(file, "bring to disk", err);
  if (rename(file->temporary, file->path) != 0) return fail_at(file, "replace", err);
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
