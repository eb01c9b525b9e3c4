/* draw_mark.c - see draw_mark.h. */
#include "draw_mark.h"

#include "bytes.h"
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

static const char software[] = "Software"; /* its NUL is part of the chunk */
static const char name[] = "gromatic ";

void gm_mark_text(char out[GM_MARK_SIZE / 2]) {
  snprintf(out, GM_MARK_SIZE / 2, "%s%s", name, gm_version());
}

size_t gm_mark_png_chunk(uint8_t out[GM_MARK_SIZE]) {
  char text[GM_MARK_SIZE / 2];
  gm_mark_text(text);
  size_t length = sizeof software + strlen(text);
  gm_put_be(out, (uint32_t)length, 4);
  memcpy(out + 4, "tEXt", 4);
  memcpy(out + 8, software, sizeof software);
  memcpy(out + 8 + sizeof software, text, strlen(text));
  gm_put_be(out + 8 + length, (uint32_t)crc32(0, out + 4, (uInt)(4 + length)), 4);
  return 12 + length;
}

/* ---- finding it ---- */

static bool stands_at(const uint8_t *bytes, size_t n, size_t at, const void *want,
                      size_t size) {
  return at <= n && size <= n - at && memcmp(bytes + at, want, size) == 0;
}

static bool has_png_mark(const uint8_t *bytes, size_t n) {
  return stands_at(bytes, n, 0, "\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR", 16) &&
         stands_at(bytes, n, GM_MARK_PNG_AT + 4, "tEXt", 4) &&
         stands_at(bytes, n, GM_MARK_PNG_AT + 8, software, sizeof software) &&
         stands_at(bytes, n, GM_MARK_PNG_AT + 8 + sizeof software, name, sizeof name - 1);
}

static bool has_jpeg_mark(const uint8_t *bytes, size_t n) {
  return stands_at(bytes, n, 0, "\xFF\xD8\xFF\xE0\0\x10JFIF", 11) &&
         stands_at(bytes, n, 20, "\xFF\xFE\0", 3) &&
         stands_at(bytes, n, 24, name, sizeof name - 1);
}

static gm_status fail_reading(const char *path, gm_error *err) {
  return gm_fail(err, GM_ERR_IO, "%s: cannot read it to see whether gromatic drew it: %s", path,
                 strerror(errno));
}

/* Reads the first bytes of a regular file. Reads none of any other file, whose bytes may be
 * meant for another reader. */
static gm_status read_head(int fd, const char *path, uint8_t *bytes, size_t *n, gm_error *err) {
  struct stat st;
  if (fstat(fd, &st) != 0) return fail_reading(path, err);
  while (S_ISREG(st.st_mode) && *n < GM_MARK_SIZE) {
    ssize_t got = read(fd, bytes + *n, GM_MARK_SIZE - *n);
    if (got == 0) break;
    if (got < 0 && errno != EINTR) return fail_reading(path, err);
    if (got > 0) *n += (size_t)got;
  }
  return GM_OK;
}

gm_status gm_drawn_by_gromatic(const char *path, bool *drawn, gm_error *err) {
  uint8_t bytes[GM_MARK_SIZE];
  size_t n = 0;
  *drawn = false;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); /* does not wait for a
                                                                        pipe's writer */
  if (fd < 0) {
    bool nothing = errno == ENOENT || errno == ENOTDIR || errno == ENXIO;
    return nothing ? GM_OK : fail_reading(path, err);
  }
  gm_status status = read_head(fd, path, bytes, &n, err);
  close(fd);
  if (status == GM_OK) *drawn = has_png_mark(bytes, n) || has_jpeg_mark(bytes, n);
  return status;
}

void gm_remove_cut_drawings(const char *path) {
  static const char *const endings[] = {".png", ".jpg", ".jpeg", NULL};
  struct stat st;
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
    gm_new_file_remove_dead_in(path, endings);
  else
    gm_new_file_remove_dead(path);
}
