/* text_read.c - see text_read.h. */
#include "text_read.h"

#include "text_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE ((size_t)8 << 30)

static gm_status read_open(char **out, size_t *length, FILE *file, const char *path,
                           gm_error *err) {
  struct stat st;
  if (fstat(fileno(file), &st) != 0 || S_ISDIR(st.st_mode))
    return gm_fail(err, GM_ERR_IO, "%s: is not a file that can be read", path);
  size_t room = st.st_size > 0 && S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : 1 << 16;
  char *text = NULL;
  *length = 0;
  for (;;) {
    if (room > MAX_FILE) {
      free(text);
      return gm_fail(err, GM_ERR_ARGUMENT, "%s: larger than 8 GiB", path);
    }
    char *grown = realloc(text, room + 1);
    if (!grown) {
      free(text);
      return gm_fail_memory(err, path, room);
    }
    text = grown;
    *length += fread(text + *length, 1, room - *length, file);
    if (*length < room) break;
    room *= 2;
  }
  *out = text;
  if (!ferror(file)) return GM_OK;
  return gm_fail(err, GM_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
}

gm_status gm_text_read(char **out, const char *path, gm_error *err) {
  size_t length;
  FILE *file = fopen(path, "rbe");
  *out = NULL;
  if (!file)
    return gm_fail(err, errno == ENOENT ? GM_ERR_FILE_NOT_FOUND : GM_ERR_IO,
                   "%s: cannot be opened: %s", path, strerror(errno));
  gm_status status = read_open(out, &length, file, path, err);
  fclose(file);
  if (status == GM_OK) status = gm_text_clean(*out, &length, path, GM_ERR_ARGUMENT, err);
  if (status == GM_OK) return GM_OK;
  free(*out);
  *out = NULL;
  return status;
}
