/* matmul_rounded_types.h - products with weights in f32, f16 and bf16 whose factors are both
 * rounded, on what pack_w_types.h needs and on what the including file defines before:
 *
 *   MR, NR, CHUNK, pack_x, tile: as in gm_matmul
 *   X_BYTES, W_BYTES: x_chunk_bytes and w_chunk_bytes of gm_matmul */
#ifndef GM_MATMUL_ROUNDED_TYPES_H
#define GM_MATMUL_ROUNDED_TYPES_H

#include "matmul_kernels.h"
#include "pack_w_types.h"

/* The gm_matmul of one type. */
#define ROUNDED_PRODUCT(tile_form, pack_w_type)                                                \
  {                                                                                            \
    .mr = MR, .nr = NR, .block = 1, .chunk = CHUNK, .x_chunk_bytes = X_BYTES,                  \
    .w_chunk_bytes = W_BYTES, .pack_x = pack_x, .pack_w = pack_w_type, .tile = tile,           \
    .form = tile_form                                                                          \
  }

#endif
