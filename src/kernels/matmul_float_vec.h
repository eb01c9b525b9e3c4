/* matmul_float_vec.h - the frame of products with weights in f32, f16 and bf16 that are
 * computed in f32, on what the including file defines before:
 *
 *   MR rows of activations in a tile, panels of NR rows of w
 *   load_fn, and load_f32, load_f16, load_bf16 of that type: a vector of weights
 *   void interleave(float *dst, size_t stride, const char *src, size_t row_bytes,
 *                   size_t element, size_t rows, size_t k, load_fn load)
 *     writes rows, NR / 2 of weights or MR of activations at most, as columns:
 *     dst[i * stride + row]; missing rows as zeros
 *   size_t gemv_columns(size_t R)
 *     how many rows of w gemv_block takes with R = 1, 2 or 4 rows of activations
 *   void gemv_block(size_t J, size_t R, float *y, size_t ldy, const float *x, const char *w,
 *                   size_t row_bytes, size_t element, size_t k, load_fn load)
 *     y of J rows of w with R rows of x; the result depends on neither J nor R
 *
 * `element`: bytes of a weight. */
#ifndef GM_MATMUL_FLOAT_VEC_H
#define GM_MATMUL_FLOAT_VEC_H

#include "ref/kernels_ref.h"

#include <assert.h>
#include <string.h>

static inline __attribute__((always_inline)) void pack_w(float *panel, const char *w,
                                                         size_t row_bytes, size_t element,
                                                         size_t rows, size_t k, load_fn load) {
  assert(rows <= NR && (uintptr_t)panel % 64 == 0);
  size_t half = NR / 2, low = rows < half ? rows : half;
  interleave(panel, NR, w, row_bytes, element, low, k, load);
  interleave(panel + half, NR, w + half * row_bytes, row_bytes, element, rows - low, k, load);
}

static void pack_x(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k) {
  if (group == 1)
    memcpy(dst, x, k * sizeof(float));
  else if (group == MR)
    interleave(dst, MR, (const char *)x, ldx * sizeof(float), 4, rows, k, load_f32);
  else
    gm_pack_x_f32_ref(dst, x, ldx, rows, group, k);
}

static inline __attribute__((always_inline)) void gemv_rows(size_t R, float *y, size_t ldy,
                                                            const float *x, const char *w,
                                                            size_t row_bytes, size_t element,
                                                            size_t n, size_t k, load_fn load) {
  size_t j = 0, step = gemv_columns(R);
  for (; j + step <= n; j += step)
    gemv_block(step, R, y + j, ldy, x, w + j * row_bytes, row_bytes, element, k, load);
  for (; j < n; j++)
    gemv_block(1, R, y + j, ldy, x, w + j * row_bytes, row_bytes, element, k, load);
}

static inline __attribute__((always_inline)) void gemv(float *y, size_t ldy, const float *x,
                                                       size_t m, const char *w,
                                                       size_t row_bytes, size_t element,
                                                       size_t n, size_t k, load_fn load) {
  assert(m <= GM_GEMV_ROWS);
  for (; m >= 4; m -= 4, x += 4 * k, y += 4 * ldy)
    gemv_rows(4, y, ldy, x, w, row_bytes, element, n, k, load);
  if (m >= 2) {
    gemv_rows(2, y, ldy, x, w, row_bytes, element, n, k, load);
    m -= 2, x += 2 * k, y += 2 * ldy;
  }
  if (m == 1) gemv_rows(1, y, ldy, x, w, row_bytes, element, n, k, load);
}

#include "matmul_float_types.h"

#endif
