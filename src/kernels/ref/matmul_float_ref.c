/* matmul_float_ref.c - plain C: products with weights in f32, f16 and bf16, computed in f32. */
#include "ref/kernels_ref.h"

enum { MR = 4, NR = 8 };

static float load_f32(const void *w, size_t i) {
  return ((const float *)w)[i];
}

static float load_f16(const void *w, size_t i) {
  return gm_f16_to_f32(((const uint16_t *)w)[i]);
}

static float load_bf16(const void *w, size_t i) {
  return gm_bf16_to_f32(((const uint16_t *)w)[i]);
}

typedef float (*load_fn)(const void *w, size_t i);

static inline void pack_w(float *panel, const void *w, size_t row_bytes, size_t rows, size_t k,
                          load_fn load) {
  for (size_t j = 0; j < NR; j++)
    for (size_t i = 0; i < k; i++)
      panel[i * NR + j] = j < rows ? load((const char *)w + j * row_bytes, i) : 0.0f;
}

static inline void gemv(float *y, size_t ldy, const float *x, size_t m, const void *w,
                        size_t row_bytes, size_t n, size_t k, load_fn load) {
  for (size_t j = 0; j < n; j++)
    for (size_t r = 0; r < m; r++) {
      float sum = 0.0f;
      for (size_t i = 0; i < k; i++)
        sum += x[r * k + i] * load((const char *)w + j * row_bytes, i);
      y[r * ldy + j] = sum;
    }
}

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const float *a = x, *b = panel;
  for (size_t i = 0; first && i < MR * NR; i++) acc[i] = 0.0f;
  for (size_t i = 0; i < k; i++)
    for (size_t r = 0; r < MR; r++)
      for (size_t j = 0; j < NR; j++) acc[r * NR + j] += a[i * MR + r] * b[i * NR + j];
}

static void pack_w_f32(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, load_f32);
}

static void pack_w_f16(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, load_f16);
}

static void pack_w_bf16(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, load_bf16);
}

static void gemv_f32(float *y, size_t ldy, const void *x, size_t m, const void *w,
                     size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, n, k, load_f32);
}

static void gemv_f16(float *y, size_t ldy, const void *x, size_t m, const void *w,
                     size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, n, k, load_f16);
}

static void gemv_bf16(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, n, k, load_bf16);
}

const gm_matmul gm_matmul_f32_ref = {
    .mr = MR,
    .nr = NR,
    .block = 1,
    .chunk = 1,
    .x_chunk_bytes = 4,
    .w_chunk_bytes = 4,
    .pack_x = gm_pack_x_f32_ref,
    .pack_w = pack_w_f32,
    .tile = tile,
    .gemv = gemv_f32,
    .row_chunk_bytes = 4,
};
const gm_matmul gm_matmul_f16_ref = {
    .mr = MR,
    .nr = NR,
    .block = 1,
    .chunk = 1,
    .x_chunk_bytes = 4,
    .w_chunk_bytes = 4,
    .pack_x = gm_pack_x_f32_ref,
    .pack_w = pack_w_f16,
    .tile = tile,
    .gemv = gemv_f16,
    .row_chunk_bytes = 4,
};
const gm_matmul gm_matmul_bf16_ref = {
    .mr = MR,
    .nr = NR,
    .block = 1,
    .chunk = 1,
    .x_chunk_bytes = 4,
    .w_chunk_bytes = 4,
    .pack_x = gm_pack_x_f32_ref,
    .pack_w = pack_w_bf16,
    .tile = tile,
    .gemv = gemv_bf16,
    .row_chunk_bytes = 4,
};
