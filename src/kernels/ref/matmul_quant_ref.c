/* matmul_quant_ref.c - plain C: products with block types and int8 activations. A panel is a
 * copy of the rows of w. */
#include "activations.h"
#include "ref/kernels_ref.h"

#include <assert.h>
#include <string.h>

enum { MR = 4, NR = 4 };

/* sum + w . x over the first n <= 256 elements of a chunk; row r of a tile of `group`. */
typedef float (*dot_fn)(float sum, const void *w, const unsigned char *x, size_t group,
                        size_t r, size_t n);

static float dot_q8_0(float sum, const void *w, const unsigned char *x, size_t group, size_t r,
                      size_t n) {
  const gm_block_q8_0 *block = w;
  for (size_t b = 0; b < n / 32; b++) {
    const int8_t *q = gm_x_q(x, group, b, r);
    int32_t dot = 0;
    for (size_t i = 0; i < 32; i++) dot += block[b].qs[i] * q[i];
    sum += (float)dot * (gm_f16_to_f32(block[b].d) * gm_x32_d(x, group)[b * group + r]);
  }
  return sum;
}

static float dot_q4_0(float sum, const void *w, const unsigned char *x, size_t group, size_t r,
                      size_t n) {
  const gm_block_q4_0 *block = w;
  for (size_t b = 0; b < n / 32; b++) {
    const int8_t *q = gm_x_q(x, group, b, r);
    int32_t dot = gm_x32_s(x, group)[b * group + r] / 16;
    for (size_t i = 0; i < 16; i++)
      dot += (block[b].qs[i] & 15) * q[i] + (block[b].qs[i] >> 4) * q[i + 16];
    sum += (float)dot * (gm_f16_to_f32(block[b].d) * gm_x32_d(x, group)[b * group + r]);
  }
  return sum;
}

/* Scale and minimum of sub-block j, 6 bits each. */
static void q4_k_scale(const uint8_t *s, size_t j, int32_t *scale, int32_t *min) {
  if (j < 4) {
    *scale = s[j] & 63;
    *min = s[j + 4] & 63;
  } else {
    *scale = (s[j + 4] & 15) | (s[j - 4] >> 6 << 4);
    *min = (s[j + 4] >> 4) | (s[j] >> 6 << 4);
  }
}

static float dot_q4_k(float sum, const void *w, const unsigned char *x, size_t group, size_t r,
                      size_t n) {
  (void)n;
  const gm_block_q4_k *block = w;
  int32_t dot = 0, mins = 0;
  for (size_t j = 0; j < 8; j++) {
    const int8_t *q = gm_xk_q(x, group, j, r);
    int32_t scale, min, part = 0;
    q4_k_scale(block->scales, j, &scale, &min);
    for (size_t i = 0; i < 32; i++)
      part += (block->qs[j / 2 * 32 + i] >> (j % 2 * 4) & 15) * q[i];
    dot += scale * part;
    mins += min * gm_xk_s32(x, group)[(j / 2 * group + r) * 2 + j % 2];
  }
  float d = gm_xk_d(x, group)[r];
  return sum +
         d * (gm_f16_to_f32(block->d) * (float)dot - gm_f16_to_f32(block->dmin) * (float)mins);
}

static float dot_q6_k(float sum, const void *w, const unsigned char *x, size_t group, size_t r,
                      size_t n) {
  (void)n;
  const gm_block_q6_k *block = w;
  int32_t dot = 0;
  for (size_t j = 0; j < 16; j++) {
    const int8_t *q = gm_xk_q(x, group, j / 2, r) + j % 2 * 16;
    /* Half of the block, its quarter of 32 elements, and the 16 of that. */
    const uint8_t *ql = block->ql + j / 8 * 64 + j / 2 % 2 * 32 + j % 2 * 16;
    const uint8_t *qh = block->qh + j / 8 * 32 + j % 2 * 16;
    unsigned low_shift = j / 4 % 2 * 4, high_shift = (unsigned)(j / 2 % 4 * 2);
    int32_t part = -32 * gm_xk_s16(x, group)[(j / 2 * group + r) * 2 + j % 2];
    for (size_t i = 0; i < 16; i++)
      part += ((ql[i] >> low_shift & 15) | (qh[i] >> high_shift & 3) << 4) * q[i];
    dot += block->scales[j] * part;
  }
  return sum + (float)dot * (gm_f16_to_f32(block->d) * gm_xk_d(x, group)[r]);
}

/* Bytes of 256 elements of each type; a panel gives a row that much, rounded up to 4. */
enum { Q8_0 = 272, Q4_0 = 144, Q4_K = 144, Q6_K = 210, Q6_K_PADDED = 212 };

static size_t chunks_of(size_t k) {
  return (k + GM_X_CHUNK - 1) / GM_X_CHUNK;
}

static void pack_w(unsigned char *panel, const void *w, size_t row_bytes, size_t rows,
                   size_t used, size_t stride) {
  assert(rows <= NR && used <= stride);
  for (size_t j = 0; j < NR; j++) {
    if (j < rows)
      memcpy(panel + j * stride, (const char *)w + j * row_bytes, used);
    else
      memset(panel + j * stride, 0, used);
  }
}

static float dot_row(float sum, const unsigned char *w, size_t chunk_bytes,
                     const unsigned char *x, size_t x_bytes, size_t group, size_t r, size_t k,
                     dot_fn dot) {
  for (size_t i = 0; i < k; i += GM_X_CHUNK, w += chunk_bytes, x += x_bytes * group)
    sum = dot(sum, w, x, group, r, k - i < GM_X_CHUNK ? k - i : GM_X_CHUNK);
  return sum;
}

static void tile(float *acc, const void *x, size_t x_bytes, const unsigned char *panel,
                 size_t stride, size_t chunk_bytes, size_t k, bool first, dot_fn dot) {
  for (size_t r = 0; r < MR; r++)
    for (size_t j = 0; j < NR; j++)
      acc[r * NR + j] = dot_row(first ? 0.0f : acc[r * NR + j], panel + j * stride, chunk_bytes,
                                x, x_bytes, MR, r, k, dot);
}

static void gemv(float *y, size_t ldy, const unsigned char *x, size_t x_bytes, size_t m,
                 const unsigned char *w, size_t row_bytes, size_t chunk_bytes, size_t n,
                 size_t k, dot_fn dot) {
  assert(m <= GM_GEMV_ROWS);
  for (size_t j = 0; j < n; j++)
    for (size_t r = 0; r < m; r++)
      y[r * ldy + j] = dot_row(0.0f, w + j * row_bytes, chunk_bytes,
                               x + r * chunks_of(k) * x_bytes, x_bytes, 1, 0, k, dot);
}

static void pack_w_q8_0(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k * Q8_0 / GM_X_CHUNK, chunks_of(k) * Q8_0);
}

static void tile_q8_0(float *acc, const void *x, const void *panel, size_t k, bool first) {
  tile(acc, x, GM_X32_BYTES, panel, chunks_of(k) * Q8_0, Q8_0, k, first, dot_q8_0);
}

static void gemv_q8_0(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, GM_X32_BYTES, m, w, row_bytes, Q8_0, n, k, dot_q8_0);
}

static void pack_w_q4_0(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k * Q4_0 / GM_X_CHUNK, chunks_of(k) * Q4_0);
}

static void tile_q4_0(float *acc, const void *x, const void *panel, size_t k, bool first) {
  tile(acc, x, GM_X32_BYTES, panel, chunks_of(k) * Q4_0, Q4_0, k, first, dot_q4_0);
}

static void gemv_q4_0(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, GM_X32_BYTES, m, w, row_bytes, Q4_0, n, k, dot_q4_0);
}

static void pack_w_q4_k(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k * Q4_K / GM_X_CHUNK, chunks_of(k) * Q4_K);
}

static void tile_q4_k(float *acc, const void *x, const void *panel, size_t k, bool first) {
  tile(acc, x, GM_XK_BYTES, panel, chunks_of(k) * Q4_K, Q4_K, k, first, dot_q4_k);
}

static void gemv_q4_k(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, GM_XK_BYTES, m, w, row_bytes, Q4_K, n, k, dot_q4_k);
}

static void pack_w_q6_k(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k * Q6_K / GM_X_CHUNK, chunks_of(k) * Q6_K_PADDED);
}

static void tile_q6_k(float *acc, const void *x, const void *panel, size_t k, bool first) {
  tile(acc, x, GM_XK_BYTES, panel, chunks_of(k) * Q6_K_PADDED, Q6_K, k, first, dot_q6_k);
}

static void gemv_q6_k(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, GM_XK_BYTES, m, w, row_bytes, Q6_K, n, k, dot_q6_k);
}

const gm_matmul gm_matmul_q8_0_ref = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_X32_BYTES,
    .w_chunk_bytes = Q8_0,
    .pack_x = gm_pack_x32_ref,
    .pack_w = pack_w_q8_0,
    .tile = tile_q8_0,
    .gemv = gemv_q8_0,
    .row_chunk_bytes = GM_X32_BYTES,
};
const gm_matmul gm_matmul_q4_0_ref = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_X32_BYTES,
    .w_chunk_bytes = Q4_0,
    .pack_x = gm_pack_x32_ref,
    .pack_w = pack_w_q4_0,
    .tile = tile_q4_0,
    .gemv = gemv_q4_0,
    .row_chunk_bytes = GM_X32_BYTES,
};
const gm_matmul gm_matmul_q4_k_ref = {
    .mr = MR,
    .nr = NR,
    .block = 256,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XK_BYTES,
    .w_chunk_bytes = Q4_K,
    .pack_x = gm_pack_xk_ref,
    .pack_w = pack_w_q4_k,
    .tile = tile_q4_k,
    .gemv = gemv_q4_k,
    .row_chunk_bytes = GM_XK_BYTES,
};
const gm_matmul gm_matmul_q6_k_ref = {
    .mr = MR,
    .nr = NR,
    .block = 256,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XK_BYTES,
    .w_chunk_bytes = Q6_K_PADDED,
    .pack_x = gm_pack_xk_ref,
    .pack_w = pack_w_q6_k,
    .tile = tile_q6_k,
    .gemv = gemv_q6_k,
    .row_chunk_bytes = GM_XK_BYTES,
};
