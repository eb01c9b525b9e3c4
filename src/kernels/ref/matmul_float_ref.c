/* matmul_float_ref.c - plain C: products with weights in f32, f16 and bf16, computed in f32. */
#include "ref/kernels_ref.h"

#include <assert.h>

enum { MR = 4, NR = 8 };

typedef float (*load_fn)(const char *w);

static float load_f32(const char *w) {
  return *(const float *)(const void *)w;
}

static float load_f16(const char *w) {
  return gm_f16_to_f32(*(const uint16_t *)(const void *)w);
}

static float load_bf16(const char *w) {
  return gm_bf16_to_f32(*(const uint16_t *)(const void *)w);
}

static inline void pack_w(float *panel, const char *w, size_t row_bytes, size_t element,
                          size_t rows, size_t k, load_fn load) {
  assert(rows <= NR);
  for (size_t j = 0; j < NR; j++)
    for (size_t i = 0; i < k; i++)
      panel[i * NR + j] = j < rows ? load(w + j * row_bytes + i * element) : 0.0f;
}

static inline void gemv(float *y, size_t ldy, const float *x, size_t m, const char *w,
                        size_t row_bytes, size_t element, size_t n, size_t k, load_fn load) {
  assert(m <= GM_GEMV_ROWS);
  for (size_t j = 0; j < n; j++)
    for (size_t r = 0; r < m; r++) {
      float sum = 0.0f;
      for (size_t i = 0; i < k; i++)
        sum += x[r * k + i] * load(w + j * row_bytes + i * element);
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

static void pack_x(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k) {
  gm_pack_x_f32_ref(dst, x, ldx, rows, group, k);
}

#include "matmul_float_types.h"

const gm_matmul gm_matmul_f32_ref = FLOAT_PRODUCT(pack_w_f32, gemv_f32);
const gm_matmul gm_matmul_f16_ref = FLOAT_PRODUCT(pack_w_f16, gemv_f16);
const gm_matmul gm_matmul_bf16_ref = FLOAT_PRODUCT(pack_w_bf16, gemv_bf16);
