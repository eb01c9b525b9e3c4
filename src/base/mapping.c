/* mapping.c - see mapping.h. */
#include "mapping.h"

#include "checked.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static gm_status read_all(gm_mapping *out, int fd, const char *path, size_t size,
                          gm_error *err) {
  unsigned char *bytes = malloc(size ? size : 1);
  if (!bytes) return gm_fail_memory(err, path, size);
  for (size_t done = 0; done < size;) {
    ssize_t n = read(fd, bytes + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      int code = errno;
      free(bytes);
      return gm_fail(err, GM_ERR_IO, "%s: read %zu of %zu bytes: %s", path, done, size,
                     n < 0 ? strerror(code) : "the file ended early");
    }
    done += (size_t)n;
  }
  *out = (gm_mapping){.data = bytes, .size = size};
  return GM_OK;
}

gm_status gm_map_file(gm_mapping *out, const char *path, bool use_mmap, gm_error *err) {
  *out = (gm_mapping){0};
  /* O_NONBLOCK: open does not wait for a pipe's writer; the pipe is refused below. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return gm_fail(err, errno == ENOENT || errno == ENOTDIR ? GM_ERR_FILE_NOT_FOUND : GM_ERR_IO,
                   "%s: cannot open: %s", path, strerror(errno));
  struct stat st;
  gm_status status = GM_OK;
  if (fstat(fd, &st) != 0)
    status = gm_fail(err, GM_ERR_IO, "%s: cannot stat: %s", path, strerror(errno));
  else if (!S_ISREG(st.st_mode))
    status = gm_fail(err, GM_ERR_IO, "%s: found %s, wanted a regular file", path,
                     S_ISDIR(st.st_mode) ? "a directory" : "a special file");
  else if (use_mmap && st.st_size > 0) {
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
      status = gm_fail(err, GM_ERR_IO, "%s: cannot map %zu bytes: %s; try --no-mmap", path,
                       (size_t)st.st_size, strerror(errno));
    else
      *out = (gm_mapping){.data = data, .size = (size_t)st.st_size, .mapped = true};
  } else {
    status = read_all(out, fd, path, (size_t)st.st_size, err);
  }
  if (status == GM_OK)
    out->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
  close(fd);
  return status;
}

void gm_unmap(gm_mapping *mapping) {
  if (mapping->mapped)
    munmap((void *)(uintptr_t)mapping->data, mapping->size);
  else
    free((void *)(uintptr_t)mapping->data);
  *mapping = (gm_mapping){0};
}

/* Advises on the whole pages that hold [offset, offset + length). The mapping begins on a page.
 */
static void advise(const gm_mapping *mapping, size_t offset, size_t length, int advice) {
  if (!mapping->mapped || length == 0) return;
  assert(gm_extent_fits(offset, length, mapping->size));
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t begin = offset / page * page;
  madvise((void *)(uintptr_t)(mapping->data + begin), offset + length - begin, advice);
}

void gm_mapping_will_need(const gm_mapping *mapping, size_t offset, size_t length) {
  advise(mapping, offset, length, MADV_WILLNEED);
}

void gm_mapping_drop(const gm_mapping *mapping, size_t offset, size_t length) {
  advise(mapping, offset, length, MADV_DONTNEED);
}
