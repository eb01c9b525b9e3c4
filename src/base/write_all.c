/* write_all.c - see write_all.h. */
#include "write_all.h"

#include <errno.h>
#include <unistd.h>

bool gm_write_all(int fd, const void *bytes, size_t n) {
  for (size_t done = 0; done < n;) {
    ssize_t k = write(fd, (const char *)bytes + done, n - done);
    if (k < 0 && errno == EINTR) continue;
    if (k == 0) errno = EIO; /* no progress, and no reason given */
    if (k <= 0) return false;
    done += (size_t)k;
  }
  return true;
}
