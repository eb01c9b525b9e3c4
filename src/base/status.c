/* status.c - see status.h. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 character at s (Unicode's table 3-7), 0 if there is none that a person
 * could be shown: control characters, stray bytes, one that the message's end cuts. */
static size_t shown_length(const unsigned char *s) {
  if (s[0] < 0x80) return s[0] >= ' ' && s[0] != 0x7f;
  if (s[0] == 0xc2 && s[1] < 0xa0) return 0; /* C1 controls */
  size_t n = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0)) return 0;
  if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90)) return 0;
  return n;
}

/* Messages quote names out of files, which may hold anything: escape codes for the terminal,
 * no valid text. */
static void clean_message(gm_error *err) {
  unsigned char *s = (unsigned char *)err->message;
  while (*s) {
    size_t n = shown_length(s);
    if (n == 0) *s = '?';
    s += n ? n : 1;
  }
}

gm_status(gm_fail)(gm_error *err, gm_status status, const char *format, ...) {
  if (err) {
    va_list args;
    va_start(args, format);
    err->status = status;
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    clean_message(err);
  }
  return status;
}

gm_status(gm_fail_memory)(gm_error *err, const char *what, size_t bytes) {
  return gm_fail(err, GM_ERR_MEMORY,
                 "out of memory: could not allocate %zu bytes for %s; close other programs or "
                 "use a smaller model or type",
                 bytes, what);
}

gm_status(gm_fail_prefix)(gm_error *err, gm_status status, const char *format, ...) {
  if (err) {
    char rest[sizeof err->message];
    memcpy(rest, err->message, sizeof rest);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used + 2 < sizeof err->message) {
      size_t room = sizeof err->message - (size_t)used - 3; /* beside ": " and NUL */
      snprintf(err->message + used, room + 3, ": %.*s", (int)room, rest);
    }
    err->status = status;
    clean_message(err);
  }
  return status;
}

const char *gm_status_name(gm_status status) {
  switch (status) {
  case GM_OK:
    return "ok";
  case GM_ERR_ARGUMENT:
    return "bad_argument";
  case GM_ERR_FILE_NOT_FOUND:
    return "file_not_found";
  case GM_ERR_IO:
    return "io_error";
  case GM_ERR_MODEL:
    return "model_invalid";
  case GM_ERR_IMAGE_UNSUPPORTED:
    return "image_unsupported";
  case GM_ERR_IMAGE_TRUNCATED:
    return "image_truncated";
  case GM_ERR_IMAGE_TOO_LARGE:
    return "image_too_large";
  case GM_ERR_MEMORY:
    return "out_of_memory";
  case GM_ERR_CONTEXT_FULL:
    return "context_full";
  case GM_ERR_CANCELLED:
    return "cancelled";
  }
  return "unknown";
}
