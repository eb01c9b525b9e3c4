/* row_sums.h - gradients that are sums over rows (of biases, and of weights of norms), with the
 * same bits for any number of threads: a block of GM_SUM_ROWS rows gives sums of its own, and
 * these are added in their order. */
#ifndef GM_ROW_SUMS_H
#define GM_ROW_SUMS_H

#include "compute.h"

enum { GM_SUM_ROWS = 32 };

typedef struct gm_row_block {
  size_t first, end; /* rows */
} gm_row_block;

size_t gm_row_blocks(size_t rows);
gm_row_block gm_row_block_at(size_t rows, size_t block);

/* gradient[n] += the sum over `blocks` of sums[block * step + i], which are used up. NULL:
 * nothing is done. */
void gm_add_row_sums(gm_compute *c, float *gradient, float *sums, size_t blocks, size_t step,
                     size_t n);

#endif
