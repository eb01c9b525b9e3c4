/* pages.c - see pages.h. */
#include "pages.h"

#include "checked.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

void *gm_pages_alloc(size_t bytes) {
  size_t whole;
  assert(bytes % GM_PAGES_ALIGN == 0);
  if (bytes < HUGE_PAGE || !gm_align_size(bytes, HUGE_PAGE, &whole))
    return aligned_alloc(GM_PAGES_ALIGN, bytes);
  void *memory = aligned_alloc(HUGE_PAGE, whole);
  if (memory) madvise(memory, whole, MADV_HUGEPAGE);
  return memory;
}
