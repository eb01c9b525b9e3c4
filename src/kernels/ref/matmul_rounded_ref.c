/* matmul_rounded_ref.c - plain C: products whose both sides are rounded to bf16, so that what
 * uses them is tested on every machine. */
#include "ref/kernels_ref.h"

#include <string.h>

enum { MR = 4, NR = 8, CHUNK = 32, CHUNK_BYTES = 2 * CHUNK };

static uint16_t load_f32(const void *w, size_t i) {
  return gm_f32_to_bf16(((const float *)w)[i]);
}

static uint16_t load_f16(const void *w, size_t i) {
  return gm_f32_to_bf16(gm_f16_to_f32(((const uint16_t *)w)[i]));
}

static uint16_t load_bf16(const void *w, size_t i) {
  return ((const uint16_t *)w)[i];
}

/* dst[chunk][group][32] */
static void pack_x(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k) {
  uint16_t *out = dst;
  memset(out, 0, (k + CHUNK - 1) / CHUNK * group * CHUNK_BYTES);
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < k; i++)
      out[(i / CHUNK * group + r) * CHUNK + i % CHUNK] = load_f32(x + r * ldx, i);
}

/* panel[pair][8 rows of w][2] */
static inline void pack_w(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k,
                          uint16_t (*load)(const void *w, size_t i)) {
  uint16_t *out = panel;
  memset(out, 0, (k + CHUNK - 1) / CHUNK * NR * CHUNK_BYTES);
  for (size_t j = 0; j < rows; j++)
    for (size_t i = 0; i < k; i++)
      out[(i / 2 * NR + j) * 2 + i % 2] = load((const char *)w + j * row_bytes, i);
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

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const uint16_t *a = x, *b = panel;
  for (size_t i = 0; first && i < MR * NR; i++) acc[i] = 0.0f;
  for (size_t i = 0; i < k; i++)
    for (size_t r = 0; r < MR; r++)
      for (size_t j = 0; j < NR; j++)
        acc[r * NR + j] += gm_bf16_to_f32(a[(i / CHUNK * MR + r) * CHUNK + i % CHUNK]) *
                           gm_bf16_to_f32(b[(i / 2 * NR + j) * 2 + i % 2]);
}

const gm_matmul gm_rounded_f32_ref = {
    .mr = MR,
    .nr = NR,
    .block = 1,
    .chunk = CHUNK,
    .x_chunk_bytes = CHUNK_BYTES,
    .w_chunk_bytes = CHUNK_BYTES,
    .pack_x = pack_x,
    .pack_w = pack_w_f32,
    .tile = tile,
};
const gm_matmul gm_rounded_f16_ref = {
    .mr = MR,
    .nr = NR,
    .block = 1,
    .chunk = CHUNK,
    .x_chunk_bytes = CHUNK_BYTES,
    .w_chunk_bytes = CHUNK_BYTES,
    .pack_x = pack_x,
    .pack_w = pack_w_f16,
    .tile = tile,
};
const gm_matmul gm_rounded_bf16_ref = {
    .mr = MR,
    .nr = NR,
    .block = 1,
    .chunk = CHUNK,
    .x_chunk_bytes = CHUNK_BYTES,
    .w_chunk_bytes = CHUNK_BYTES,
    .pack_x = pack_x,
    .pack_w = pack_w_bf16,
    .tile = tile,
};
