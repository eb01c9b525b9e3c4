/* pages.h - large memory blocks in huge pages: 512 times fewer page faults, and faster reading.
 */
#ifndef GM_PAGES_H
#define GM_PAGES_H

#include <stddef.h>

enum { GM_PAGES_ALIGN = 64 };

/* `bytes` bytes, a multiple of GM_PAGES_ALIGN, aligned to it and not cleared, or NULL if memory
 * is short; for free(). */
void *gm_pages_alloc(size_t bytes);

#endif
