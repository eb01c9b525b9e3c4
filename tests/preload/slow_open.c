/* slow_open.c - loaded before the C library by LD_PRELOAD. Opening the file GM_SLOW_FILE takes
 * an hour, like a model on a disk that does not answer. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int open(const char *path, int flags, ...) {
  const char *slow = getenv("GM_SLOW_FILE");
  va_list list;
  va_start(list, flags);
  int mode = va_arg(list, int);
  va_end(list);
  if (slow && strcmp(path, slow) == 0) sleep(3600);
  return ((__typeof__(&open))(void *)dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}
