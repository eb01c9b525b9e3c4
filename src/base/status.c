/* status.c - see status.h. */
#include "status.h"

#include "utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Messages quote names from files, which may hold terminal escape codes or invalid UTF-8. */
static void clean_message(gm_error *err) {
  char *to = err->message;
  for (const char *at = to; *at;) {
    uint32_t code;
    size_t n = gm_utf8_read(at, strlen(at), &code);
    bool shown = n > 0 && !gm_is_control(code);
    if (n == 0) n = 1;
    if (!shown) *to++ = '?';
    for (size_t i = 0; i < n; i++, at++)
      if (shown) *to++ = *at;
  }
  *to = 0;
}

gm_status(gm_fail)(gm_error *err, gm_status status, const char *format, ...) {
  assert(status != GM_OK);
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
  case GM_ERR_BUSY:
    return "busy";
  case GM_ERR_TIMEOUT:
    return "timeout";
  }
  return "unknown";
}
