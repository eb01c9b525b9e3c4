/* lock_file.c - see lock_file.h. */
#include "lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether path still names the file of fd. The earlier holder of the lock may have removed it,
 * and a lock on a file without a name keeps nobody out. */
static bool is_named(int fd, const char *path) {
  struct stat held, named;
  return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_dev == named.st_dev &&
         held.st_ino == named.st_ino;
}

int cli_lock_take(const char *path) {
  for (;;) {
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) return -1;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    int code = errno;
    if (!locked && code != EWOULDBLOCK && code != EINTR) return fd;
    if (locked && is_named(fd, path)) return fd;
    close(fd);
    errno = code;
    if (!locked && code == EWOULDBLOCK) return -1;
  }
}

void cli_lock_release(int fd, const char *path) {
  struct stat st;
  if (fd < 0) return;
  /* A file with content is not ours. */
  if (fstat(fd, &st) == 0 && st.st_size == 0 && is_named(fd, path)) unlink(path);
  close(fd);
}
