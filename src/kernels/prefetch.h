/* prefetch.h - prefetching of weights that are read once (gemv). Static, for every instruction
 * set. */
#ifndef GM_PREFETCH_H
#define GM_PREFETCH_H

#include <stddef.h>
#include <stdint.h>

/* How far ahead: enough for a memory that two cores keep busy. The processor's own prefetching
 * stops at the end of a page. */
enum { GM_PREFETCH_AHEAD = 8192 };

/* Fetches the `bytes` bytes that begin `ahead` bytes after p into the second-level cache. They
 * may lie past the end of the weights, or of memory. */
static inline __attribute__((always_inline)) void gm_prefetch(const void *p, size_t bytes,
                                                              size_t ahead) {
  for (size_t i = 0; i < bytes; i += 64)
    __builtin_prefetch((const void *)((uintptr_t)p + ahead + i), 0, 2);
}

static inline __attribute__((always_inline)) void gm_prefetch_ahead(const void *p,
                                                                    size_t bytes) {
  gm_prefetch(p, bytes, GM_PREFETCH_AHEAD);
}

#endif
