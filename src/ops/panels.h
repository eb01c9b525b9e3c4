/* panels.h - panels of weights that lie ready in memory, so that products of many rows read
 * them instead of unpacking the weights each time. Results are bit-identical either way.
 * Whoever has them (panel_file.h) fills the index; operations only look in it. */
#ifndef GM_PANELS_H
#define GM_PANELS_H

#include "kernels.h"
#include "tensor.h"
#include "threads.h"

/* The panels of one tensor: n of `panel_bytes` bytes each, one after the other, all chunks of k
 * in each. */
typedef struct gm_tensor_panels {
  const gm_tensor *w;
  const gm_matmul *mm; /* whose pack_w makes them */
  size_t panel_bytes, n;
  const unsigned char *panels; /* NULL: sizes only */
} gm_tensor_panels;

/* Sorted by the addresses of the tensors' weights, which do not overlap. Immutable while
 * operations use it, and then safe to share between threads. Pointers are the owner's. */
typedef struct gm_panels {
  gm_tensor_panels *tensors; /* [n] */
  size_t n;
} gm_panels;

/* Sizes of the panels that mm makes of a matrix w, without panels. False where one wraps. */
bool gm_tensor_panels_of(const gm_tensor *w, const gm_matmul *mm, gm_tensor_panels *out);
/* Makes them in to[n * panel_bytes], aligned as mm asks for. pool may be NULL. */
void gm_tensor_panels_make(const gm_tensor_panels *tensor, unsigned char *to, gm_pool *pool);

void gm_panels_sort(gm_panels *panels);
/* The panels that mm makes of w; NULL: there are none. panels may be NULL. w may be a slice
 * that begins at a panel. */
const unsigned char *gm_panels_find(const gm_panels *panels, const gm_tensor *w,
                                    const gm_matmul *mm);

#endif
