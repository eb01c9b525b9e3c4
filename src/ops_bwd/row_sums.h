/* row_sums.h - gradients that are sums over rows (of biases, and of weights of norms), with the
 * same bits for any number of threads: they are cut at fixed rows, and parts are added in their
 * order. */
#ifndef GM_ROW_SUMS_H
#define GM_ROW_SUMS_H

#include "training.h"

/* Where a pass over rows finds sums by the way: a block of GM_SUM_ROWS rows is a task, and
 * writes sums of its own, which gm_add_sum_of_rows then adds. */
enum { GM_SUM_ROWS = 32 };

typedef struct gm_row_block {
  size_t first, end; /* rows */
} gm_row_block;

size_t gm_row_blocks(size_t rows);
gm_row_block gm_row_block_at(size_t rows, size_t block);

/* gradient[n] += the sum of the rows of dy[m, n] (row stride lddy). */
void gm_add_sum_of_rows(const gm_training *t, float *gradient, const float *dy, size_t lddy,
                        size_t m, size_t n);

#endif
