/* matmul_k_avx512vnni.c - AVX-512 VNNI: products of few rows with Q4_K and Q6_K weights and
 * int8 activations. The weights' integers are stored unsigned. The activations' sums serve to
 * subtract Q6_K's offset of 32. Q4_K's minima are a small product of their own. */
#include "activations.h"
#include "avx512vnni/k_blocks_avx512vnni.h"
#include "avx512vnni/kernels_avx512vnni.h"
#include "prefetch.h"

#include <assert.h>
#include <immintrin.h>
#include <string.h>

typedef unsigned char bytes;

/* Words in the order in which packs_epi32 leaves two vectors of sums of 4 products: each lane
 * of 128 bits has four words of the first vector, then four of the second. These are the
 * numbers of their factors: of Q4_K's parts 0 and 2, then 1 and 3, of half a block; of Q6_K's
 * parts 0 to 3, then 4 to 7. */
static const int64_t each = 0x0001000100010001;

static inline __m512i places_q4_k(size_t first) {
  __m512i at = _mm512_setr_epi64(0, each, 0, each, 2 * each, 3 * each, 2 * each, 3 * each);
  return _mm512_add_epi16(at, _mm512_set1_epi16((short)first));
}

static inline __m512i places_q6_k(size_t first) {
  __m512i at =
      _mm512_setr_epi64(0, 4 * each, each, 5 * each, 2 * each, 6 * each, 3 * each, 7 * each);
  return _mm512_add_epi16(at, _mm512_set1_epi16((short)first));
}

/* Sums of products of a quarter of a block, 64 elements, by its four quarters of x: 16 sums of
 * four, at most 63 * 127 * 4, so that two fit 32 words; those are multiplied by their factors
 * and added in pairs to dot. */
static inline __m512i scaled(__m512i dot, const __m512i q[2], const __m512i v[2],
                             __m512i factors) {
  __m512i zero = _mm512_setzero_si512();
  __m512i sums = _mm512_packs_epi32(_mm512_dpbusd_epi32(zero, q[0], v[0]),
                                    _mm512_dpbusd_epi32(zero, q[1], v[1]));
  return _mm512_dpwssd_epi32(dot, sums, factors);
}

/* ---- Q4_K */

/* The half bytes of 64 bytes: low ones, parts 0 and 2 of half a block; high ones, 1 and 3. */
static inline void parts_q4_k(__m512i q[2], const uint8_t *qs) {
  const __m512i low = _mm512_set1_epi8(15);
  __m512i both = _mm512_loadu_si512(qs);
  q[0] = _mm512_and_si512(both, low);
  q[1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
}

static inline const gm_block_q4_k *block_q4_k(const bytes *w, size_t row_bytes, size_t j) {
  return (const gm_block_q4_k *)(const void *)(w + j * row_bytes);
}

/* d and dmin of W blocks, side by side. */
static inline __attribute__((always_inline)) __m512 steps_q4_k(size_t W, const bytes *w,
                                                               size_t row_bytes) {
  int32_t halves[4] = {0};
#pragma GCC unroll 4
  for (size_t j = 0; j < W; j++) memcpy(&halves[j], &block_q4_k(w, row_bytes, j)->d, 4);
  return _mm512_castps256_ps512(
      _mm256_cvtph_ps(_mm_setr_epi32(halves[0], halves[1], halves[2], halves[3])));
}

/* The scales and minima of W blocks as bytes, each in 128 bits. */
static inline __attribute__((always_inline)) __m512i scales_q4_k(size_t W, const bytes *w,
                                                                 size_t row_bytes) {
  __m512i packed = _mm512_castsi128_si512(gm_q4_k_packed_scales(block_q4_k(w, row_bytes, 0)));
  if (W > 1) {
    packed = _mm512_inserti32x4(packed, gm_q4_k_packed_scales(block_q4_k(w, row_bytes, 1)), 1);
    packed = _mm512_inserti32x4(packed, gm_q4_k_packed_scales(block_q4_k(w, row_bytes, 2)), 2);
    packed = _mm512_inserti32x4(packed, gm_q4_k_packed_scales(block_q4_k(w, row_bytes, 3)), 3);
  }
  return gm_q4_k_scale_bytes_avx512vnni(packed);
}

/* W rows of w (1 or 4) with R rows of x (1 or 4). The small work on scales and minima is done
 * once for all rows of w. */
static inline __attribute__((always_inline)) void gemv_rows_q4_k(size_t W, size_t R, float *y,
                                                                 size_t ldy, const bytes *x,
                                                                 const bytes *w,
                                                                 size_t row_bytes, size_t k) {
  const __m512i minimum_at = _mm512_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3, 5, 5, 5, 5, 7, 7, 7, 7);
  const __mmask64 low_bytes = 0x5555555555555555;
  size_t x_row = k / 256 * GM_XK_BYTES;
  __m512 sum[4][4], min_sum[4];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) {
    min_sum[r] = _mm512_setzero_ps();
#pragma GCC unroll 4
    for (size_t j = 0; j < W; j++) sum[r][j] = _mm512_setzero_ps();
  }
  for (size_t at = 0; at < k; at += 256, x += GM_XK_BYTES, w += sizeof(gm_block_q4_k)) {
    __m512i scales = scales_q4_k(W, w, row_bytes);
    __m512i minima = _mm512_unpackhi_epi8(scales, _mm512_setzero_si512());
    __m512 steps = steps_q4_k(W, w, row_bytes), step[4];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
      const bytes *chunk = x + r * x_row;
      step[r] = _mm512_mul_ps(steps, _mm512_set1_ps(gm_xk_d(chunk, 1)[0]));
      __m512i s = _mm512_broadcast_i32x4(
          _mm_loadu_si128((const __m128i *)(const void *)gm_xk_s32(chunk, 1)));
      min_sum[r] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(_mm512_madd_epi16(minima, s)),
                                    _mm512_permutexvar_ps(minimum_at, step[r]), min_sum[r]);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < W; j++) {
      const gm_block_q4_k *block = block_q4_k(w, row_bytes, j);
      gm_prefetch(block, sizeof *block, W > 1 ? W * row_bytes : GM_PREFETCH_AHEAD);
      __m512i q[2][2], factors[2];
#pragma GCC unroll 2
      for (size_t h = 0; h < 2; h++) {
        parts_q4_k(q[h], block->qs + 64 * h);
        factors[h] =
            _mm512_maskz_permutexvar_epi8(low_bytes, places_q4_k(16 * j + 4 * h), scales);
      }
#pragma GCC unroll 4
      for (size_t r = 0; r < R; r++) {
        const bytes *chunk = x + r * x_row;
        __m512i dot = _mm512_setzero_si512();
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++) {
          __m512i v[2] = {_mm512_loadu_si512(chunk + 128 * h),
                          _mm512_loadu_si512(chunk + 128 * h + 64)};
          dot = scaled(dot, q[h], v, factors[h]);
        }
        __m512 d = _mm512_permutexvar_ps(_mm512_set1_epi32((int)(2 * j)), step[r]);
        sum[r][j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), d, sum[r][j]);
      }
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) {
#pragma GCC unroll 4
    for (size_t j = 0; j < W; j++) {
      __m512 minus = _mm512_shuffle_f32x4(min_sum[r], min_sum[r], 0);
      if (j == 1) minus = _mm512_shuffle_f32x4(min_sum[r], min_sum[r], 0x55);
      if (j == 2) minus = _mm512_shuffle_f32x4(min_sum[r], min_sum[r], 0xAA);
      if (j == 3) minus = _mm512_shuffle_f32x4(min_sum[r], min_sum[r], 0xFF);
      y[r * ldy + j] =
          _mm512_reduce_add_ps(_mm512_add_ps(sum[r][j], _mm512_maskz_mov_ps(15, minus)));
    }
  }
}

/* ---- Q6_K */

static inline const gm_block_q6_k *block_q6_k(const bytes *w, size_t row_bytes, size_t j) {
  return (const gm_block_q6_k *)(const void *)(w + j * row_bytes);
}

/* Elements 64 p .. 64 p + 63 of x, whose parts are in Q4_K's order. */
static inline __m512i x_q6_k(const bytes *chunk, size_t p) {
  __m256i low = _mm256_loadu_si256((const void *)gm_xk_q(chunk, 1, 2 * p, 0));
  __m256i high = _mm256_loadu_si256((const void *)gm_xk_q(chunk, 1, 2 * p + 1, 0));
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* W rows of w with R rows of x. */
static inline __attribute__((always_inline)) void gemv_rows_q6_k(size_t W, size_t R, float *y,
                                                                 size_t ldy, const bytes *x,
                                                                 const bytes *w,
                                                                 size_t row_bytes, size_t k) {
  size_t x_row = k / 256 * GM_XK_BYTES;
  __m512 sum[4][4];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++)
#pragma GCC unroll 4
    for (size_t j = 0; j < W; j++) sum[r][j] = _mm512_setzero_ps();
  for (size_t at = 0; at < k; at += 256, x += GM_XK_BYTES, w += sizeof(gm_block_q6_k)) {
#pragma GCC unroll 4
    for (size_t j = 0; j < W; j++) {
      const gm_block_q6_k *block = block_q6_k(w, row_bytes, j);
      gm_prefetch(block, sizeof *block, W > 1 ? W * row_bytes : GM_PREFETCH_AHEAD);
      __m256i words =
          _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)block->scales));
      __m512i q[2][2], factors[2];
#pragma GCC unroll 2
      for (size_t h = 0; h < 2; h++) {
        q[h][0] = gm_q6_k_quants_avx512vnni(block, 2 * h);
        q[h][1] = gm_q6_k_quants_avx512vnni(block, 2 * h + 1);
        factors[h] =
            _mm512_permutexvar_epi16(places_q6_k(8 * h), _mm512_castsi256_si512(words));
      }
      float d = _cvtsh_ss(block->d);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; r++) {
        const bytes *chunk = x + r * x_row;
        __m256i offset =
            _mm256_madd_epi16(words, _mm256_loadu_si256((const void *)gm_xk_s16(chunk, 1)));
        offset = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(offset, 5));
        __m512i dot = _mm512_zextsi256_si512(offset);
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++) {
          __m512i v[2] = {x_q6_k(chunk, 2 * h), x_q6_k(chunk, 2 * h + 1)};
          dot = scaled(dot, q[h], v, factors[h]);
        }
        sum[r][j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot),
                                    _mm512_set1_ps(d * gm_xk_d(chunk, 1)[0]), sum[r][j]);
      }
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++)
#pragma GCC unroll 4
    for (size_t j = 0; j < W; j++) y[r * ldy + j] = _mm512_reduce_add_ps(sum[r][j]);
}

/* ---- all rows */

typedef void rows_fn(size_t W, size_t R, float *y, size_t ldy, const bytes *x, const bytes *w,
                     size_t row_bytes, size_t k);

/* R rows of x with all rows of w, four of them at a time. */
static inline __attribute__((always_inline)) void gemv_rows(rows_fn rows_of, size_t R, float *y,
                                                            size_t ldy, const bytes *x,
                                                            const bytes *w, size_t row_bytes,
                                                            size_t n, size_t k) {
  size_t j = 0;
  for (; j + 4 <= n; j += 4) rows_of(4, R, y + j, ldy, x, w + j * row_bytes, row_bytes, k);
  for (; j < n; j++) rows_of(1, R, y + j, ldy, x, w + j * row_bytes, row_bytes, k);
}

static inline __attribute__((always_inline)) void gemv(rows_fn rows_of, float *y, size_t ldy,
                                                       const bytes *x, size_t m, const bytes *w,
                                                       size_t row_bytes, size_t n, size_t k) {
  assert(m <= GM_GEMV_ROWS && k % 256 == 0);
  size_t x_row = k / 256 * GM_XK_BYTES;
  for (; m >= 4; m -= 4, x += 4 * x_row, y += 4 * ldy)
    gemv_rows(rows_of, 4, y, ldy, x, w, row_bytes, n, k);
  for (; m >= 1; m--, x += x_row, y += ldy)
    gemv_rows(rows_of, 1, y, ldy, x, w, row_bytes, n, k);
}

/* How many of the n rows of w go the way of columns_avx512vnni.h. */
static inline size_t in_columns(size_t m, size_t n) {
  return m >= GM_COLUMNS_ROWS ? n / 16 * 16 : 0;
}

void gm_gemv_q4_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k) {
  size_t first = in_columns(m, n);
  if (first > 0) gm_columns_q4_k_avx512vnni(y, ldy, x, m, w, row_bytes, first, k);
  gemv(gemv_rows_q4_k, y + first, ldy, x, m, (const bytes *)w + first * row_bytes, row_bytes,
       n - first, k);
}

void gm_gemv_q6_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k) {
  size_t first = in_columns(m, n);
  if (first > 0) gm_columns_q6_k_avx512vnni(y, ldy, x, m, w, row_bytes, first, k);
  gemv(gemv_rows_q6_k, y + first, ldy, x, m, (const bytes *)w + first * row_bytes, row_bytes,
       n - first, k);
}
