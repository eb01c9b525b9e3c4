/* whole_file.c - see whole_file.h. */
#include "whole_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool stdin_taken;

FILE *cli_take_stdin(void) {
  errno = EBUSY;
  if (stdin_taken) return NULL;
  stdin_taken = true;
  return stdin;
}

void *cli_read_all(const char *name, size_t limit, size_t *size) {
  FILE *file = strcmp(name, "-") == 0 ? cli_take_stdin() : fopen(name, "rbe");
  if (!file) return NULL;
  size_t capacity = 1 << 16, used = 0;
  char *bytes = malloc(capacity);
  int code = bytes ? 0 : ENOMEM;
  while (!code) {
    errno = 0;
    used += fread(bytes + used, 1, capacity - used, file);
    if (ferror(file)) code = errno ? errno : EIO;
    if (used > limit) code = EFBIG;
    if (code || used < capacity) break;
    char *grown = realloc(bytes, capacity * 2);
    if (!grown) code = ENOMEM;
    if (grown) bytes = grown;
    capacity *= 2;
  }
  if (file != stdin) fclose(file);
  if (code) {
    free(bytes);
    errno = code;
    return NULL;
  }
  *size = used;
  return bytes;
}
