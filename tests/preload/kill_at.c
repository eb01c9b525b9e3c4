/* kill_at.c - loaded before the C library by LD_PRELOAD. Kills the process before its n-th call
 * that changes something in a folder, like kill -9 or a failing machine: GM_KILL_AT=n,
 * GM_KILL_FOLDER; with GM_KILL_HALF, a write is killed after half of its bytes. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))(void *)dlsym(RTLD_NEXT, #name))

static atomic_long calls;

static bool is_inside(const char *path) {
  const char *folder = getenv("GM_KILL_FOLDER");
  return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static bool is_in_folder(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  path[n > 0 ? n : 0] = 0;
  return is_inside(path);
}

static bool is_last(bool counts) {
  const char *at = getenv("GM_KILL_AT");
  return counts && at && ++calls == atol(at);
}

static void die_at(bool counts) {
  if (is_last(counts)) raise(SIGKILL);
}

ssize_t write(int fd, const void *bytes, size_t n) {
  if (is_last(is_in_folder(fd))) {
    if (getenv("GM_KILL_HALF")) NEXT(write)(fd, bytes, n / 2);
    raise(SIGKILL);
  }
  return NEXT(write)(fd, bytes, n);
}

int fflush(FILE *file) {
  die_at(file && is_in_folder(fileno(file)));
  return NEXT(fflush)(file);
}

int fsync(int fd) {
  die_at(is_in_folder(fd));
  return NEXT(fsync)(fd);
}

int fdatasync(int fd) {
  die_at(is_in_folder(fd));
  return NEXT(fdatasync)(fd);
}

int ftruncate(int fd, off_t size) {
  die_at(is_in_folder(fd));
  return NEXT(ftruncate)(fd, size);
}

int truncate(const char *path, off_t size) {
  die_at(is_inside(path));
  return NEXT(truncate)(path, size);
}

int rename(const char *from, const char *to) {
  die_at(is_inside(to));
  return NEXT(rename)(from, to);
}

int unlink(const char *path) {
  die_at(is_inside(path));
  return NEXT(unlink)(path);
}

FILE *fopen(const char *path, const char *mode) {
  die_at(is_inside(path) && mode[0] != 'r');
  return NEXT(fopen)(path, mode);
}

int open(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & O_CREAT ? (mode_t)va_arg(args, int) : 0;
  va_end(args);
  die_at(is_inside(path) && flags & O_CREAT);
  return NEXT(open)(path, flags, mode);
}
