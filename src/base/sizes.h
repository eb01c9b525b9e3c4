/* sizes.h - the arithmetic of dividing work, for sizes that are known to be small. Sizes from a
 * file go through checked.h. */
#ifndef GM_SIZES_H
#define GM_SIZES_H

#include <stddef.h>

static inline size_t gm_min_size(size_t a, size_t b) {
  return a < b ? a : b;
}

static inline size_t gm_max_size(size_t a, size_t b) {
  return a > b ? a : b;
}

/* a / b rounded up. */
static inline size_t gm_ceil_div(size_t a, size_t b) {
  return (a + b - 1) / b;
}

#endif
