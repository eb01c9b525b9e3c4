/* product.h - one matrix product for the forms that training needs: x w^T, dy w, dy^T x.
 *
 * y[m, n] = a[m, k] . b[n, k]^T, where either factor may lie turned in memory. An element of y
 * is one chain of sums in the order of k, so it depends on nothing but its row of a, its row of
 * b and t->bf16: not on threads, m, n, or how the work is cut. */
#ifndef GM_PRODUCT_H
#define GM_PRODUCT_H

#include "tensor.h"
#include "training.h"

/* Element (i, l), with l summed over, is in row i, column l of the memory, or if turned in row
 * l, column i. */
typedef struct gm_factor {
  gm_type type;
  const void *data;
  size_t row_bytes;
  bool turned;
} gm_factor;

typedef struct gm_product {
  size_t m, n, k;
  gm_factor a;       /* F32 */
  gm_factor b;       /* of any type */
  const float *bias; /* [n] or NULL */
  float *y;          /* row stride ldy >= n */
  size_t ldy;
  bool add; /* y += the product */
} gm_product;

static inline gm_factor gm_rows_of(const float *x, size_t ld) {
  return (gm_factor){GM_TYPE_F32, x, ld * sizeof *x, false};
}

static inline gm_factor gm_turned_rows_of(const float *x, size_t ld) {
  return (gm_factor){GM_TYPE_F32, x, ld * sizeof *x, true};
}

static inline gm_factor gm_factor_of(const gm_tensor *w, bool turned) {
  return (gm_factor){w->type, w->data, w->row_bytes, turned};
}

/* k may be 0: then the product is 0. */
gm_status gm_product_run(const gm_training *t, const gm_product *p);

/* ---- product_pack.c: factors as a kernel's tiles and panels ---- */

/* How one factor is packed: groups of tiles (or panels) of `height` rows each. */
typedef struct gm_packing {
  const gm_factor *from;
  const gm_kernels *kernels;
  const gm_matmul *mm;
  bool panels;   /* by pack_w, else by pack_x */
  size_t height; /* rows of the factor in a tile */
  size_t group;  /* tiles that are packed together */
  size_t block;  /* of the factor's type */
  size_t rows, k;
  size_t scratch_bytes; /* that a worker needs while it packs */
} gm_packing;

gm_packing gm_packing_of(const gm_kernels *kernels, const gm_matmul *mm, const gm_factor *from,
                         bool panels, size_t rows, size_t k);
/* From one packed tile of k elements to the next, in bytes; a multiple of 64. */
size_t gm_tile_stride(const gm_packing *packing, size_t k);
/* Packs elements [begin, begin + k) of the tiles [first, first + n), n <= group, one after the
 * other. begin is a multiple of the kernel's chunk and of the type's block. */
void gm_pack_tiles(const gm_packing *packing, size_t first, size_t n, size_t begin, size_t k,
                   unsigned char *to, void *scratch);
/* Asks the second cache for part i of `parts` of what gm_pack_tiles would read. */
void gm_ask_for_tiles(const gm_packing *packing, size_t first, size_t n, size_t begin, size_t k,
                      size_t i, size_t parts);

#endif
