/* support.h - what the tests share: fixtures of tests/data and comparisons that say where they
 * failed. */
#ifndef GM_TEST_SUPPORT_H
#define GM_TEST_SUPPORT_H

/* cmocka needs these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gromatic.h"

/* Fails the test with the error's message unless status is GM_OK. */
#define assert_ok(status, err) gm_assert_ok((status), (err), __FILE__, __LINE__)
void gm_assert_ok(gm_status status, const gm_error *err, const char *file, int line);

/* One array of a golden .safetensors file; the test's own small reader, independent of src/. */
typedef struct golden_array {
  char dtype[8];              /* "F32", "I32", "U8" */
  size_t n_dims, shape[4], n; /* n: elements */
  const void *data;
} golden_array;

typedef struct golden golden;
/* path below tests/data, e.g. "golden/groma-mini/caption.safetensors". Fails the test if
 * absent. */
golden *golden_open(const char *path);
golden_array golden_get(golden *g, const char *name); /* fails the test if absent */
bool golden_has(golden *g, const char *name);
void golden_close(golden *g);

/* The parity rule: max |a - b| <= relative * max |b|; prints the worst index, values and ratio.
 */
#define assert_close(a, b, n, relative, what)                                                  \
  gm_assert_close((a), (b), (n), (relative), (what), __FILE__, __LINE__)
void gm_assert_close(const float *a, const float *b, size_t n, double relative,
                     const char *what, const char *file, int line);

/* Absolute path of a fixture, in a buffer that the eighth call after it overwrites. */
const char *test_data(const char *path);
/* Whole file, NUL-terminated for convenience; free() it. Fails the test if absent. */
void *test_read_file(const char *path, size_t *size);

#endif
