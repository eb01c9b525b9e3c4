/* matmul_rounded_ref.c - plain C: products whose factors are both rounded to bf16. They are
 * there so that the operations that use them are tested on every machine. */
#include "ref/kernels_ref.h"

#include <assert.h>
#include <string.h>

enum { MR = 4, NR = 8, CHUNK = 32, X_BYTES = 2 * CHUNK, W_BYTES = X_BYTES };

/* One weight in bf16. */
typedef uint16_t (*load_fn)(const char *w);

static uint16_t load_f32(const char *w) {
  return gm_f32_to_bf16(*(const float *)(const void *)w);
}

static uint16_t load_f16(const char *w) {
  return gm_f32_to_bf16(gm_f16_to_f32(*(const uint16_t *)(const void *)w));
}

static uint16_t load_bf16(const char *w) {
  return *(const uint16_t *)(const void *)w;
}

/* dst[chunk][group][32] */
static void pack_x(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k) {
  assert(rows <= group);
  uint16_t *out = dst;
  memset(out, 0, (k + CHUNK - 1) / CHUNK * group * X_BYTES);
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < k; i++)
      out[(i / CHUNK * group + r) * CHUNK + i % CHUNK] = gm_f32_to_bf16(x[r * ldx + i]);
}

/* panel[pair][8 rows of w][2] */
static inline void pack_w(void *panel, const char *w, size_t row_bytes, size_t element,
                          size_t rows, size_t k, load_fn load) {
  assert(rows <= NR);
  uint16_t *out = panel;
  memset(out, 0, (k + CHUNK - 1) / CHUNK * NR * W_BYTES);
  for (size_t j = 0; j < rows; j++)
    for (size_t i = 0; i < k; i++)
      out[(i / 2 * NR + j) * 2 + i % 2] = load(w + j * row_bytes + i * element);
}

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const uint16_t *a = x, *b = panel;
  for (size_t i = 0; first && i < MR * NR; i++) acc[i] = 0.0f;
  for (size_t i = 0; i < k; i++)
    for (size_t r = 0; r < MR; r++)
      for (size_t j = 0; j < NR; j++)
        acc[r * NR + j] += gm_bf16_to_f32(a[(i / CHUNK * MR + r) * CHUNK + i % CHUNK]) *
                           gm_bf16_to_f32(b[(i / 2 * NR + j) * 2 + i % 2]);
}

#include "matmul_rounded_types.h"

const gm_matmul gm_rounded_f32_ref = ROUNDED_PRODUCT(GM_TILE_AS_ROWS, pack_w_f32);
const gm_matmul gm_rounded_f16_ref = ROUNDED_PRODUCT(GM_TILE_AS_ROWS, pack_w_f16);
const gm_matmul gm_rounded_bf16_ref = ROUNDED_PRODUCT(GM_TILE_AS_ROWS, pack_w_bf16);
