/* matmul_float_types.h - products with weights in f32, f16 and bf16 that are computed in f32,
 * on what pack_w_types.h needs and on what the including file defines before:
 *
 *   MR, NR, pack_x, tile: as in gm_matmul
 *   gemv(float *y, size_t ldy, const float *x, size_t m, const char *w, size_t row_bytes,
 *        size_t element, size_t n, size_t k, load_fn load)
 *     gm_matmul.gemv for weights of `element` bytes */
#ifndef GM_MATMUL_FLOAT_TYPES_H
#define GM_MATMUL_FLOAT_TYPES_H

#include "matmul_kernels.h"
#include "pack_w_types.h"

static void gemv_f32(float *y, size_t ldy, const void *x, size_t m, const void *w,
                     size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, 4, n, k, load_f32);
}

static void gemv_f16(float *y, size_t ldy, const void *x, size_t m, const void *w,
                     size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, 2, n, k, load_f16);
}

static void gemv_bf16(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, 2, n, k, load_bf16);
}

/* The gm_matmul of one type. */
#define FLOAT_PRODUCT(pack_w_type, gemv_type)                                                  \
  {                                                                                            \
    .mr = MR, .nr = NR, .block = 1, .chunk = 1, .x_chunk_bytes = 4, .w_chunk_bytes = 4,        \
    .pack_x = pack_x, .pack_w = pack_w_type, .tile = tile, .gemv = gemv_type,                  \
    .row_chunk_bytes = 4                                                                       \
  }

#endif
