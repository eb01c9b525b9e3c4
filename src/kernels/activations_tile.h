/* activations_tile.h - tiles of activations that are rounded once in 256 elements of a row
 * (GM_TILE_BYTES and GM_TILE_QUADS of activations.h). Static, for every instruction set. */
#ifndef GM_ACTIVATIONS_TILE_H
#define GM_ACTIVATIONS_TILE_H

#include "activations.h"

#include <assert.h>
#include <string.h>

/* Rounds `blocks` blocks of 32 elements at x into row r of a chunk of `group` rows. */
typedef void (*gm_pack_row)(unsigned char *chunk, const float *x, size_t blocks, size_t r,
                            size_t group);

/* gm_matmul.pack_x, where a chunk has chunk_bytes a row. */
static inline __attribute__((always_inline)) void
gm_pack_tile(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k,
             size_t chunk_bytes, gm_pack_row pack_row) {
  assert(rows <= group && k % 32 == 0);
  size_t step = chunk_bytes * group;
  if (rows < group) memset(dst, 0, (k + GM_X_CHUNK - 1) / GM_X_CHUNK * step);
  for (size_t r = 0; r < rows; r++)
    for (size_t at = 0; at < k; at += GM_X_CHUNK)
      pack_row((unsigned char *)dst + at / GM_X_CHUNK * step, x + r * ldx + at,
               gm_x_blocks(k, at), r, group);
}

#endif
