/* panels.c - see panels.h. */
#include "panels.h"

#include "checked.h"
#include "sizes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool gm_tensor_panels_of(const gm_tensor *w, const gm_matmul *mm, gm_tensor_panels *out) {
  size_t chunks = gm_ceil_div(gm_tensor_cols(w), mm->chunk), all;
  *out = (gm_tensor_panels){.w = w, .mm = mm, .n = gm_ceil_div(gm_tensor_rows(w), mm->nr)};
  return gm_mul_size(chunks, mm->w_chunk_bytes * mm->nr, &out->panel_bytes) &&
         gm_mul_size(out->panel_bytes, out->n, &all);
}

typedef struct making {
  const gm_tensor_panels *tensor;
  unsigned char *to;
} making;

static void make_panel(void *arg, size_t panel, size_t worker) {
  const making *m = arg;
  const gm_tensor *w = m->tensor->w;
  const gm_matmul *mm = m->tensor->mm;
  (void)worker;
  size_t row = panel * mm->nr, rows = gm_min_size(gm_tensor_rows(w) - row, mm->nr);
  unsigned char *to = m->to + panel * m->tensor->panel_bytes;
  /* pack_w does not write the rest of a chunk that the columns do not fill, but it goes to the
   * file too. */
  if (gm_tensor_cols(w) % mm->chunk != 0) memset(to, 0, m->tensor->panel_bytes);
  mm->pack_w(to, (const unsigned char *)w->data + row * w->row_bytes, w->row_bytes, rows,
             gm_tensor_cols(w));
}

void gm_tensor_panels_make(const gm_tensor_panels *tensor, unsigned char *to, gm_pool *pool) {
  making m = {.tensor = tensor, .to = to};
  gm_pool_run(pool, make_panel, &m, tensor->n);
}

static int by_address(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)((const gm_tensor_panels *)a)->w->data;
  uintptr_t y = (uintptr_t)((const gm_tensor_panels *)b)->w->data;
  return (x > y) - (x < y);
}

void gm_panels_sort(gm_panels *panels) {
  if (panels->n) qsort(panels->tensors, panels->n, sizeof *panels->tensors, by_address);
}

const unsigned char *gm_panels_find(const gm_panels *panels, const gm_tensor *w,
                                    const gm_matmul *mm) {
  if (!panels) return NULL;
  uintptr_t at = (uintptr_t)w->data;
  size_t low = 0, high = panels->n; /* the last tensor that does not begin after w */
  while (low < high) {
    size_t middle = (low + high) / 2;
    if ((uintptr_t)panels->tensors[middle].w->data <= at)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return NULL;
  const gm_tensor_panels *t = &panels->tensors[low - 1];
  size_t offset = at - (uintptr_t)t->w->data, panel = t->mm->nr * t->w->row_bytes;
  if (t->mm != mm || offset >= gm_tensor_rows(t->w) * t->w->row_bytes || offset % panel != 0 ||
      w->row_bytes != t->w->row_bytes)
    return NULL;
  assert(t->panels && offset / panel < t->n);
  return t->panels + offset / panel * t->panel_bytes;
}
