/* failing_alloc.h - makes allocations of the library fail, one at a time. Only for test
 * programs that are linked with the --wrap options of tests/CMakeLists.txt (names with
 * "memory_failure"); reaches malloc, calloc, realloc, aligned_alloc, strdup, strndup, asprintf
 * in our own objects.
 *
 * jansson's allocations do not fail: if its lexer's buffer cannot grow, version 2.14 drops
 * characters and then fails its own assertions. */
#ifndef GM_TEST_FAILING_ALLOC_H
#define GM_TEST_FAILING_ALLOC_H

#include "support.h"

typedef gm_status failing_alloc_run(void *arg, gm_error *err);

/* Runs `run` once to count its allocations, then again for n = first, first + stride, ... with
 * only the n-th one failing. Each time it must return GM_ERR_MEMORY with a message, or GM_OK if
 * it can do without; sanitizers detect leaks. first 1, stride 1: every one. */
void failing_alloc_torture(const char *what, failing_alloc_run *run, void *arg, size_t first,
                           size_t stride);

#endif
