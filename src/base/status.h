/* status.h - errors are values: every fallible function returns gm_status and describes the
 * failure in a gm_error (see gromatic.h), which the caller owns and may leave NULL. */
#ifndef GM_STATUS_H
#define GM_STATUS_H

#include "gromatic.h"

/* Fills *err (may be NULL) with a formatted message and returns status. The message says what
 * was found, what was wanted and what to do. It may quote any bytes: control characters and
 * invalid UTF-8 become '?'. */
gm_status gm_fail(gm_error *err, gm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* gm_fail for a failed allocation of `bytes` for `what`. */
gm_status gm_fail_memory(gm_error *err, const char *what, size_t bytes);

/* Puts "prefix: " in front of the message of an error that is passed up. */
gm_status gm_fail_prefix(gm_error *err, gm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The macros tell the compiler what the functions return, so that it knows that outputs are set
 * after a GM_TRY that succeeds. status is evaluated twice. */
static inline gm_status gm_returns(gm_status returned, gm_status status) {
  (void)returned;
  return status;
}
#define gm_fail(err, status, ...) gm_returns(gm_fail(err, status, __VA_ARGS__), status)
#define gm_fail_prefix(err, status, ...)                                                       \
  gm_returns(gm_fail_prefix(err, status, __VA_ARGS__), status)
#define gm_fail_memory(err, what, bytes)                                                       \
  gm_returns(gm_fail_memory(err, what, bytes), GM_ERR_MEMORY)

#define GM_TRY(call)                                                                           \
  do {                                                                                         \
    gm_status gm_try_status = (call);                                                          \
    if (gm_try_status != GM_OK) return gm_try_status;                                          \
  } while (0)

#endif
