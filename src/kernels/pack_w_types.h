/* pack_w_types.h - gm_matmul.pack_w for weights in f32, f16 and bf16, on what the including
 * file defines before:
 *
 *   load_fn, and load_f32, load_f16, load_bf16 of that type: how weights are read
 *   pack_w(panel, const char *w, size_t row_bytes, size_t element, size_t rows, size_t k,
 *          load_fn load)
 *     gm_matmul.pack_w for weights of `element` bytes */
#ifndef GM_PACK_W_TYPES_H
#define GM_PACK_W_TYPES_H

#include <stddef.h>

static void pack_w_f32(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, 4, rows, k, load_f32);
}

static void pack_w_f16(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, 2, rows, k, load_f16);
}

static void pack_w_bf16(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, 2, rows, k, load_bf16);
}

#endif
