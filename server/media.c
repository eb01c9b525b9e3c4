/* media.c - see media.h. Each part of a name is opened from the folder before it, and no link
 * is followed, so nothing leads out, whatever is changed meanwhile. */
#include "media.h"

#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int srv_media_open(const char *path, gm_error *err) {
  int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) return folder;
  snprintf(err->message, sizeof err->message, "--media-path %.200s: %s", path, strerror(errno));
  err->status = GM_ERR_ARGUMENT;
  return -1;
}

/* A descriptor, or -1. */
static int open_below(int folder, const char *name) {
  int at = dup(folder);
  while (at >= 0) {
    char part[256];
    size_t n = strcspn(name, "/");
    bool last = name[n] == 0;
    int next = -1;
    if (n > 0 && n < sizeof part) {
      memcpy(part, name, n);
      part[n] = 0;
      if (strcmp(part, ".") != 0 && strcmp(part, "..") != 0)
        next = openat(at, part,
                      O_NOFOLLOW | O_CLOEXEC |
                          (last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY));
    }
    close(at);
    at = next;
    if (last) break;
    name += n + 1;
  }
  return at;
}

static char *read_all(int fd, size_t size) {
  char *bytes = malloc(size + 1);
  size_t done = 0;
  while (bytes && done < size) {
    ssize_t n = read(fd, bytes + done, size - done);
    if (n <= 0) {
      free(bytes);
      return NULL;
    }
    done += (size_t)n;
  }
  return bytes;
}

gm_status srv_media_read(int folder, const char *name, char **out, size_t *size,
                         gm_error *err) {
  struct stat st;
  int fd = open_below(folder, name);
  *out = NULL;
  if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= SRV_MAX_BODY) {
    *size = (size_t)st.st_size;
    *out = read_all(fd, *size);
  }
  if (fd >= 0) close(fd);
  if (*out) return GM_OK;
  snprintf(err->message, sizeof err->message,
           "there is no such picture below --media-path (links are not followed, and a picture "
           "has at most %d bytes)",
           SRV_MAX_BODY);
  return err->status = GM_ERR_IO;
}
