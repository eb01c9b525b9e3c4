/* image_open.c - FILE -> PICTURE: reads the file within its limit, finds the format from its
 * first bytes, decodes it and turns the result upright. */
#include "image.h"
#include "image_format.h"
#include "struct_size.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t default_max_pixels = 64u << 20, default_max_bytes = 64u << 20;

static gm_status decode(gm_image **out, const gm_image_source *source, gm_error *err) {
  gm_image_kind kind = gm_image_kind_of(source->bytes, source->size);
  gm_image *image = NULL;
  int orientation = 1;
  switch (kind.decoder) {
  case GM_DECODER_JPEG:
    GM_TRY(gm_jpeg_decode(&image, source, &orientation, err));
    break;
  case GM_DECODER_PNG:
    GM_TRY(gm_png_decode(&image, source, &orientation, err));
    break;
  case GM_DECODER_WEBP:
    GM_TRY(gm_webp_decode(&image, source, &orientation, err));
    break;
  case GM_DECODER_NONE:
    if (source->size == 0)
      return gm_fail(err, GM_ERR_IMAGE_TRUNCATED,
                     "found an empty file; wanted a JPEG, PNG or WebP picture");
    return gm_fail(err, GM_ERR_IMAGE_UNSUPPORTED,
                   "found %s; wanted a JPEG, PNG or WebP picture: convert it first", kind.name);
  }
  gm_status status = gm_image_orient(image, orientation, err);
  if (status == GM_OK)
    *out = image;
  else
    gm_image_free(image);
  return status;
}

static uint64_t limit_of(uint64_t given, uint64_t otherwise) {
  return given == GM_NONE ? UINT64_MAX : given ? given : otherwise;
}

/* The caller's params with the defaults filled in. */
static gm_status read_params(gm_image_params *own, const gm_image_params *given,
                             gm_error *err) {
  GM_TRY(GM_STRUCT_READ(gm_image_params, own, given, err));
  own->max_pixels = limit_of(own->max_pixels, default_max_pixels);
  own->max_bytes = limit_of(own->max_bytes, default_max_bytes);
  return GM_OK;
}

static gm_status fail_file_size(gm_error *err, uint64_t found, uint64_t limit) {
  return gm_fail(err, GM_ERR_IMAGE_TOO_LARGE,
                 "found a file of %llu bytes or more; wanted at most %llu: save the picture "
                 "smaller",
                 (unsigned long long)found, (unsigned long long)limit);
}

static gm_status decode_bytes(gm_image **out, const void *bytes, size_t size,
                              const gm_image_params *params, gm_error *err) {
  if (!bytes && size > 0)
    return gm_fail(err, GM_ERR_ARGUMENT, "found no bytes; wanted a picture of %zu", size);
  if (size > params->max_bytes) return fail_file_size(err, size, params->max_bytes);
  gm_image_source source = {bytes, size, params->max_pixels};
  return decode(out, &source, err);
}

gm_status gm_image_from_memory(gm_image **out, const void *bytes, size_t size,
                               const gm_image_params *params, gm_error *err) {
  *out = NULL;
  gm_image_params own;
  GM_TRY(read_params(&own, params, err));
  return decode_bytes(out, bytes, size, &own, err);
}

/* Reads the rest of the file, at most limit bytes. The buffer grows, since a pipe has no size.
 */
static gm_status read_file(unsigned char **out, size_t *size, int fd, size_t hint,
                           uint64_t limit, gm_error *err) {
  size_t capacity = hint + 1, n = 0; /* one more, to see the end */
  unsigned char *bytes = malloc(capacity);
  if (!bytes) return gm_fail_memory(err, "a picture file", capacity);
  for (;;) {
    ssize_t got = read(fd, bytes + n, capacity - n);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      free(bytes);
      return gm_fail(err, GM_ERR_IO, "cannot read: %s", strerror(errno));
    }
    if (got == 0) break;
    n += (size_t)got;
    if (n > limit) {
      free(bytes);
      return fail_file_size(err, n, limit);
    }
    if (n < capacity) continue;
    unsigned char *more = realloc(bytes, capacity * 2);
    if (!more) {
      free(bytes);
      return gm_fail_memory(err, "a picture file", capacity * 2);
    }
    bytes = more;
    capacity *= 2;
  }
  *out = bytes;
  *size = n;
  return GM_OK;
}

static gm_status open_file(unsigned char **out, size_t *size, const char *path, uint64_t limit,
                           gm_error *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return gm_fail(err, errno == ENOENT || errno == ENOTDIR ? GM_ERR_FILE_NOT_FOUND : GM_ERR_IO,
                   "cannot open: %s", strerror(errno));
  struct stat st;
  gm_status status;
  if (fstat(fd, &st) != 0)
    status = gm_fail(err, GM_ERR_IO, "cannot stat: %s", strerror(errno));
  else if (S_ISDIR(st.st_mode))
    status = gm_fail(err, GM_ERR_IO, "found a directory, wanted a picture file");
  else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit)
    status = fail_file_size(err, (uint64_t)st.st_size, limit);
  else
    status = read_file(out, size, fd, S_ISREG(st.st_mode) ? (size_t)st.st_size : 1 << 16, limit,
                       err);
  close(fd);
  return status;
}

gm_status gm_image_open(gm_image **out, const char *path, const gm_image_params *params,
                        gm_error *err) {
  *out = NULL;
  unsigned char *bytes = NULL;
  size_t size = 0;
  gm_image_params own;
  GM_TRY(read_params(&own, params, err));
  gm_status status = open_file(&bytes, &size, path, own.max_bytes, err);
  if (status == GM_OK) status = decode_bytes(out, bytes, size, &own, err);
  free(bytes);
  return status == GM_OK ? GM_OK : gm_fail_prefix(err, status, "%s", path);
}
