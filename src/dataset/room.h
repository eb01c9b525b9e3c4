/* room.h - lists that grow by one entry at a time. */
#ifndef GM_ROOM_H
#define GM_ROOM_H

#include <stdlib.h>

/* The list of n entries of `size` bytes with room for one more: it grows to the next power of
 * two. NULL: memory is short, and the list is unchanged. */
static inline void *gm_room_for_one(void *list, size_t n, size_t size) {
  if (n & (n - 1)) return list;
  return realloc(list, (n ? 2 * n : 1) * size);
}

#endif
