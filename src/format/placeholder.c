/* placeholder.c - see placeholder.h. */
#include "placeholder.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool begins(const char *text, size_t size, const char *head) {
  size_t n = strlen(head);
  return size >= n && strncasecmp(text, head, n) == 0;
}

gm_status gm_refuse_placeholder(const char *path, const void *bytes, size_t size,
                                gm_error *err) {
  const char *text = bytes;
  if (size == 0)
    return gm_fail(err, GM_ERR_MODEL, "%s: found an empty file; download it again", path);
  if (begins(text, size, "version https://git-lfs"))
    return gm_fail(
        err, GM_ERR_MODEL,
        "%s: found a Git LFS pointer of %zu bytes in the place of the file; fetch the "
        "file with \"git lfs pull\"",
        path, size);
  while (size > 0 && (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t')) {
    text++;
    size--;
  }
  if (begins(text, size, "<!doctype html") || begins(text, size, "<html"))
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found a web page in the place of the file: the download was refused or "
                   "moved; download it again",
                   path);
  return GM_OK;
}

gm_status gm_refuse_dangling_link(const char *path, gm_error *err) {
  struct stat st;
  char target[512];
  if (lstat(path, &st) != 0 || !S_ISLNK(st.st_mode) || stat(path, &st) == 0) return GM_OK;
  ssize_t n = readlink(path, target, sizeof target - 1);
  target[n > 0 ? n : 0] = 0;
  return gm_fail(err, GM_ERR_FILE_NOT_FOUND,
                 "%s: found a link to %s, which is not there; is the download complete?", path,
                 target);
}
