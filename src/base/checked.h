/* checked.h - size arithmetic on numbers that come from a file or a request.
 *
 * Each returns true and stores the result, or returns false on overflow. All arithmetic on
 * untrusted sizes goes through these functions. */
#ifndef GM_CHECKED_H
#define GM_CHECKED_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool gm_mul_size(size_t a, size_t b, size_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}

static inline bool gm_add_size(size_t a, size_t b, size_t *out) {
  return !__builtin_add_overflow(a, b, out);
}

/* Rounds up to a multiple of align (a power of two). */
static inline bool gm_align_size(size_t a, size_t align, size_t *out) {
  size_t up;
  assert(align > 0 && (align & (align - 1)) == 0);
  if (!gm_add_size(a, align - 1, &up)) return false;
  *out = up & ~(align - 1);
  return true;
}

/* True if [offset, offset + length) lies inside [0, size). */
static inline bool gm_extent_fits(uint64_t offset, uint64_t length, uint64_t size) {
  return offset <= size && length <= size - offset;
}

#endif
