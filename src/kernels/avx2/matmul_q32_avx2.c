/* matmul_q32_avx2.c - AVX2: products with Q4_0 weights and int8 activations, and of few rows
 * with Q8_0; those of many rows are in matmul_quads_avx2.c.
 *
 * vpmaddubsw multiplies unsigned by signed bytes and adds two neighbours in 16 bits,
 * saturating. With a first factor of at most 15 the sums of a whole block of 32 stay below
 * 2^15: 16 products of 15 * 127. So the products of Q4_0's half bytes are summed in 16 bits,
 * and vpmaddwd widens once per block.
 *
 * Panel of 16 rows of w, per chunk of 256 elements: bytes [64][16][4] (element / 4, row,
 * element % 4), then float d[8][16], for Q4_0 one 16th of it. Q8_0's panel is for AVX-VNNI. */
#include "activations.h"
#include "avx2/kernels_avx2.h"
#include "avx2/transpose_avx2.h"
#include "prefetch.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { MR = 4, NR = 16, W_BYTES = 288 };

typedef unsigned char bytes;

static inline __m256i load(const void *p) {
  return _mm256_loadu_si256(p);
}

static inline __m256i broadcast4(const int8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/* The 32 bytes of a block as a panel holds them. */
typedef __m256i (*load_fn)(const bytes *block);

static inline __m256i load_q8_0(const bytes *block) {
  return _mm256_xor_si256(load(block + 2), _mm256_set1_epi8((char)0x80));
}

static inline __m256i load_q4_0(const bytes *block) {
  __m256i q =
      _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(block + 2)));
  q = _mm256_srlv_epi32(q, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
  return _mm256_and_si256(q, _mm256_set1_epi8(15));
}

static inline float scale_of(const bytes *block) {
  uint16_t d;
  memcpy(&d, block, 2);
  return _cvtsh_ss(d);
}

static inline __attribute__((always_inline)) void pack_w(bytes *panel, const bytes *w,
                                                         size_t row_bytes, size_t rows,
                                                         size_t k, size_t block_bytes,
                                                         load_fn load_block, float factor) {
  assert(rows <= NR && k % 32 == 0);
  for (size_t first = 0; first < k; first += GM_X_CHUNK, panel += NR * W_BYTES) {
    const bytes *in = w + first / 32 * block_bytes;
    float *d = (float *)(void *)(panel + 256 * NR);
    for (size_t b = 0; b < gm_x_blocks(k, first); b++, in += block_bytes, d += NR) {
      for (size_t j = 0; j < NR; j++)
        d[j] = j < rows ? scale_of(in + j * row_bytes) * factor : 0.0f;
      for (size_t side = 0; side < NR; side += 8) {
        __m256 r[8];
#pragma GCC unroll 8
        for (size_t j = 0; j < 8; j++)
          r[j] = side + j < rows ? _mm256_castsi256_ps(load_block(in + (side + j) * row_bytes))
                                 : _mm256_setzero_ps();
        gm_transpose8_avx2(r);
        float *out = (float *)(void *)panel + (b * 8 * NR + side);
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(out + i * NR, r[i]);
      }
    }
  }
}

void gm_pack_w_q8_0_avx2(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, sizeof(gm_block_q8_0), load_q8_0, 1.0f);
}

void gm_pack_w_q4_0_avx2(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, sizeof(gm_block_q4_0), load_q4_0, 0.0625f);
}

/* acc[8] += dot * dw * dx */
static inline void add_scaled(float *acc, __m256i dot, __m256 dw, float dx) {
  __m256 d = _mm256_mul_ps(dw, _mm256_set1_ps(dx));
  _mm256_storeu_ps(acc, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), d, _mm256_loadu_ps(acc)));
}

/* One block: 4 rows with 16 columns. */
static inline void block_q4_0(float *acc, const bytes *q, const float *dw, const int8_t *v,
                              const float *dx, const int32_t *s) {
  const __m256i sixteen = _mm256_set1_epi16(16);
  __m256i sum[MR][2];
#pragma GCC unroll 4
  for (size_t r = 0; r < MR; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
  for (size_t g = 0; g < 8; g++) {
    __m256i w0 = load(q + g * NR * 4), w1 = load(q + g * NR * 4 + 32);
#pragma GCC unroll 4
    for (size_t r = 0; r < MR; r++) {
      __m256i t = broadcast4(v + r * 32 + g * 4);
      sum[r][0] = gm_keep_avx2(_mm256_add_epi16(sum[r][0], _mm256_maddubs_epi16(w0, t)));
      sum[r][1] = gm_keep_avx2(_mm256_add_epi16(sum[r][1], _mm256_maddubs_epi16(w1, t)));
    }
  }
  __m256 d0 = _mm256_loadu_ps(dw), d1 = _mm256_loadu_ps(dw + 8);
#pragma GCC unroll 4
  for (size_t r = 0; r < MR; r++) {
    __m256i offset = _mm256_set1_epi32(s[r]);
    __m256i dot0 = _mm256_add_epi32(_mm256_madd_epi16(sum[r][0], sixteen), offset);
    __m256i dot1 = _mm256_add_epi32(_mm256_madd_epi16(sum[r][1], sixteen), offset);
    add_scaled(acc + r * NR, dot0, d0, dx[r]);
    add_scaled(acc + r * NR + 8, dot1, d1, dx[r]);
  }
}

static void tile_q4_0(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const bytes *a = x, *w = panel;
  if (first) memset(acc, 0, MR * NR * sizeof(float));
  for (size_t at = 0; at < k; at += GM_X_CHUNK, a += MR * GM_X32_BYTES, w += NR * W_BYTES) {
    const float *d = (const float *)(const void *)(w + 256 * NR);
    for (size_t b = 0; b < gm_x_blocks(k, at); b++)
      block_q4_0(acc, w + b * 8 * NR * 4, d + b * NR, gm_x_q(a, MR, b, 0),
                 gm_x32_d(a, MR) + b * MR, gm_x32_s(a, MR) + b * MR);
  }
}

/* ---- few rows -------------------------------------------------------------------------- */

/* 16-bit sums of pairs of a block's products; for Q4_0 without its offset of 8. */
typedef __m256i (*dot_fn)(const bytes *block, __m256i v);

static inline __m256i dot_q8_0(const bytes *block, __m256i v) {
  __m256i w = load(block + 2);
  /* |w| <= 128 and the activation with w's sign: pairs stay within 2 * 128 * 127. */
  return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(v, w));
}

static inline __m256i dot_q4_0(const bytes *block, __m256i v) {
  return _mm256_maddubs_epi16(load_q4_0(block), v);
}

/* The scales of the blocks of a chunk; lanes from `blocks` on are zero. */
static inline __attribute__((always_inline)) __m256
scales_of(const bytes *w, size_t block_bytes, size_t blocks) {
  int16_t d[8] = {0};
  for (size_t b = 0; b < blocks; b++) memcpy(&d[b], w + b * block_bytes, 2);
  return _mm256_cvtph_ps(_mm_setr_epi16(d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]));
}

/* The sums of a row of x: of products, by even and odd blocks, and of the weights' offset. */
typedef struct row_sum {
  __m256 products[2], offset;
} row_sum;

/* A chunk of one row of w with R rows of x, x_row bytes apart. The scales of all its blocks are
 * widened and multiplied at once. */
static inline __attribute__((always_inline)) void
gemv_chunk(size_t R, row_sum sum[4], const bytes *x, size_t x_row, const bytes *w,
           size_t blocks, size_t block_bytes, bool has_offset, dot_fn dot) {
  const __m256i one = _mm256_set1_epi16(1);
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256i there = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)blocks), lane);
  __m256 dw = scales_of(w, block_bytes, blocks), d[4];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) {
    const bytes *chunk = x + r * x_row;
    d[r] = _mm256_mul_ps(dw, _mm256_maskload_ps(gm_x32_d(chunk, 1), there));
    if (has_offset) {
      __m256i s = _mm256_maskload_epi32(gm_x32_s(chunk, 1), there);
      sum[r].offset = _mm256_fmadd_ps(d[r], _mm256_cvtepi32_ps(s), sum[r].offset);
    }
  }
#pragma GCC unroll 8
  for (size_t b = 0; b < blocks; b++, w += block_bytes) {
    __m256i each = _mm256_set1_epi32((int)b);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
      __m256i pairs = dot(w, load(gm_x_q(x + r * x_row, 1, b, 0)));
      __m256 products = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, one));
      __m256 *to = &sum[r].products[b % 2];
      *to = _mm256_fmadd_ps(products, _mm256_permutevar8x32_ps(d[r], each), *to);
    }
  }
}

/* y of one row of w with R rows of x; the weights' offset is offset_scale * 128. */
static inline __attribute__((always_inline)) void gemv_row(size_t R, float *y, size_t ldy,
                                                           const bytes *x, const bytes *w,
                                                           size_t k, size_t block_bytes,
                                                           float offset_scale, dot_fn dot) {
  size_t x_row = (k + GM_X_CHUNK - 1) / GM_X_CHUNK * GM_X32_BYTES, at = 0;
  bool has_offset = offset_scale != 0;
  row_sum sum[4];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++)
    sum[r].products[0] = sum[r].products[1] = sum[r].offset = _mm256_setzero_ps();
  for (; at + GM_X_CHUNK <= k; at += GM_X_CHUNK, x += GM_X32_BYTES, w += 8 * block_bytes) {
    gm_prefetch_ahead(w, 8 * block_bytes);
    gemv_chunk(R, sum, x, x_row, w, 8, block_bytes, has_offset, dot);
  }
  if (at < k) gemv_chunk(R, sum, x, x_row, w, (k - at) / 32, block_bytes, has_offset, dot);
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) {
    __m256 all = _mm256_add_ps(sum[r].products[0], sum[r].products[1]);
    if (has_offset) all = _mm256_fmadd_ps(sum[r].offset, _mm256_set1_ps(offset_scale), all);
    y[r * ldy] = gm_sum8_avx2(all);
  }
}

static inline __attribute__((always_inline)) void
gemv(float *y, size_t ldy, const bytes *x, size_t m, const bytes *w, size_t row_bytes, size_t n,
     size_t k, size_t block_bytes, float offset_scale, dot_fn dot) {
  assert(m <= GM_GEMV_ROWS && k % 32 == 0);
  size_t x_row = (k + GM_X_CHUNK - 1) / GM_X_CHUNK * GM_X32_BYTES;
  for (; m >= 4; m -= 4, x += 4 * x_row, y += 4 * ldy)
    for (size_t j = 0; j < n; j++)
      gemv_row(4, y + j, ldy, x, w + j * row_bytes, k, block_bytes, offset_scale, dot);
  for (; m >= 1; m--, x += x_row, y += ldy)
    for (size_t j = 0; j < n; j++)
      gemv_row(1, y + j, ldy, x, w + j * row_bytes, k, block_bytes, offset_scale, dot);
}

void gm_gemv_q8_0_avx2(float *y, size_t ldy, const void *x, size_t m, const void *w,
                       size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, n, k, sizeof(gm_block_q8_0), 0.0f, dot_q8_0);
}

void gm_gemv_q4_0_avx2(float *y, size_t ldy, const void *x, size_t m, const void *w,
                       size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, m, w, row_bytes, n, k, sizeof(gm_block_q4_0), 0.0625f, dot_q4_0);
}

const gm_matmul gm_matmul_q4_0_avx2 = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_X32_BYTES,
    .w_chunk_bytes = W_BYTES,
    .pack_x = gm_pack_x32_avx2,
    .pack_w = gm_pack_w_q4_0_avx2,
    .tile = tile_q4_0,
    .gemv = gm_gemv_q4_0_avx2,
    .row_chunk_bytes = GM_X32_BYTES,
};
