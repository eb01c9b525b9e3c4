/* failing_alloc.c - see failing_alloc.h. */
#include "failing_alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The linker redirects the library's calls of NAME to __wrap_NAME; __real_NAME is the C
 * library's. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
int __wrap_asprintf(char **out, const char *format, ...);

static atomic_size_t made;    /* allocations since the count began */
static atomic_size_t failing; /* the one that fails; 0: none */

static bool fails(void) {
  size_t n = atomic_fetch_add(&made, 1) + 1;
  if (n != atomic_load(&failing)) return false;
  errno = ENOMEM;
  return true;
}

void *__wrap_malloc(size_t n) {
  return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
  return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n) {
  return fails() ? NULL : __real_realloc(old, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n) {
  return fails() ? NULL : __real_aligned_alloc(align, n);
}

char *__wrap_strdup(const char *s) {
  return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n) {
  return fails() ? NULL : __real_strndup(s, n);
}

int __wrap_asprintf(char **out, const char *format, ...) {
  if (fails()) return -1;
  va_list args;
  va_start(args, format);
  int n = vasprintf(out, format, args);
  va_end(args);
  return n;
}

static gm_status run_with(failing_alloc_run *run, void *arg, size_t n, gm_error *err) {
  *err = (gm_error){0};
  atomic_store(&made, 0);
  atomic_store(&failing, n);
  gm_status status = run(arg, err);
  atomic_store(&failing, 0);
  return status;
}

void failing_alloc_torture(const char *what, failing_alloc_run *run, void *arg, size_t first,
                           size_t stride) {
  gm_error err;
  gm_status status = run_with(run, arg, 0, &err); /* also warms up caches */
  status = run_with(run, arg, 0, &err);
  assert_ok(status, &err);
  size_t total = atomic_load(&made), tried = 0, survived = 0;
  for (size_t n = first; n <= total; n += stride, tried++) {
    status = run_with(run, arg, n, &err);
    if (status == GM_OK)
      survived++;
    else if (!err.message[0] || status != GM_ERR_MEMORY)
      fail_msg("%s: allocation %zu of %zu failed: %s: %s", what, n, total,
               gm_status_name(status), err.message);
  }
  print_message("%s: %zu of %zu allocations failed in turn, %zu times without harm\n", what,
                tried, total, survived);
}
