/* matmul_k_avx512vnni.c - AVX-512 VNNI: products of few rows with Q4_K and Q6_K weights and
 * int8 activations. The weights' integers are unsigned as they stand; Q6_K's offset of 32 is
 * taken back by the activations' sums, Q4_K's minima are a small product of their own. */
#include "activations.h"
#include "avx512vnni/k_blocks_avx512vnni.h"
#include "avx512vnni/kernels_avx512vnni.h"
#include "prefetch.h"

#include <immintrin.h>
#include <string.h>

typedef unsigned char bytes;

/* Half bytes of 64 bytes of Q4_K: i = 0: low ones of the first half of the block, which are its
 * parts 0 and 2; 1: high ones, parts 1 and 3; 2 and 3: the other half. */
static inline __m512i parts_q4_k(const gm_block_q4_k *block, size_t i) {
  __m512i q = _mm512_loadu_si512(block->qs + i / 2 * 64);
  if (i % 2 == 1) q = _mm512_srli_epi16(q, 4);
  return _mm512_and_si512(q, _mm512_set1_epi8(15));
}

/* The factors of those two parts, 32 elements each, from eight factors of 16 bits. */
static inline __m512i spread8(__m512i factors, size_t i) {
  short part = (short)(i / 2 * 4 + i % 2);
  __m512i at =
      _mm512_inserti64x4(_mm512_set1_epi16(part), _mm256_set1_epi16((short)(part + 2)), 1);
  return _mm512_permutexvar_epi16(at, factors);
}

/* Sixteen 16-bit factors -> those of elements 64 p .. 64 p + 63: four parts of 16. */
static inline __m512i spread16(__m512i factors, size_t p) {
  const __m512i quarter =
      _mm512_setr_epi64(0, 0, 0x0001000100010001, 0x0001000100010001, 0x0002000200020002,
                        0x0002000200020002, 0x0003000300030003, 0x0003000300030003);
  __m512i at = _mm512_add_epi16(quarter, _mm512_set1_epi16((short)(4 * p)));
  return _mm512_permutexvar_epi16(at, factors);
}

/* y of one row of w with R rows of x: maddubs gives pairs of 16 bits, at most 63 * 127 * 2, and
 * dpwssd multiplies them by their scales. */
static inline __attribute__((always_inline)) void
gemv_row_q4_k(size_t R, float *y, size_t ldy, const bytes *x, const bytes *w, size_t k) {
  size_t x_row = k / 256 * GM_XK_BYTES;
  __m512 sum[4];
  __m128 min_sum[4];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) sum[r] = _mm512_setzero_ps(), min_sum[r] = _mm_setzero_ps();
  for (size_t at = 0; at < k; at += 256, x += GM_XK_BYTES, w += sizeof(gm_block_q4_k)) {
    const gm_block_q4_k *block = (const gm_block_q4_k *)(const void *)w;
    gm_prefetch_ahead(w, sizeof *block);
    __m256i scales = gm_q4_k_scales_avx512vnni(block);
    __m512i scale = _mm512_castsi256_si512(scales);
    __m128i min = _mm256_extracti128_si256(scales, 1);
    __m512i dot[4][2]; /* two chains, for the instruction's latency */
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) dot[r][0] = dot[r][1] = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (size_t p = 0; p < 4; p++) {
      __m512i q = parts_q4_k(block, p), s = spread8(scale, p);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; r++) {
        __m512i v = _mm512_loadu_si512(x + r * x_row + 64 * p);
        dot[r][p % 2] = _mm512_dpwssd_epi32(dot[r][p % 2], _mm512_maddubs_epi16(q, v), s);
      }
    }
    int32_t halves;
    memcpy(&halves, &block->d, 4);
    __m128 d = _mm_cvtph_ps(_mm_cvtsi32_si128(halves)); /* d, dmin */
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
      const bytes *chunk = x + r * x_row;
      __m128 factor = _mm_mul_ps(d, _mm_set1_ps(gm_xk_d(chunk, 1)[0]));
      __m128i s = _mm_loadu_si128((const __m128i *)(const void *)gm_xk_s32(chunk, 1));
      sum[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(dot[r][0], dot[r][1])),
                               _mm512_broadcastss_ps(factor), sum[r]);
      min_sum[r] = _mm_fnmadd_ps(_mm_cvtepi32_ps(_mm_madd_epi16(min, s)),
                                 _mm_shuffle_ps(factor, factor, 0x55), min_sum[r]);
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++)
    y[r * ldy] =
        _mm512_reduce_add_ps(_mm512_add_ps(sum[r], _mm512_zextps128_ps512(min_sum[r])));
}

static inline __attribute__((always_inline)) void
gemv_row_q6_k(size_t R, float *y, size_t ldy, const bytes *x, const bytes *w, size_t k) {
  size_t x_row = k / 256 * GM_XK_BYTES;
  __m512 sum[4];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) sum[r] = _mm512_setzero_ps();
  for (size_t at = 0; at < k; at += 256, x += GM_XK_BYTES, w += sizeof(gm_block_q6_k)) {
    const gm_block_q6_k *block = (const gm_block_q6_k *)(const void *)w;
    gm_prefetch_ahead(w, sizeof *block);
    __m128i scales = _mm_loadu_si128((const __m128i *)(const void *)block->scales);
    __m256i words = _mm256_cvtepi8_epi16(scales);
    __m512i scale = _mm512_castsi256_si512(words), dot[4];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
      const void *s = gm_xk_s16(x + r * x_row, 1);
      __m256i offset = _mm256_madd_epi16(words, _mm256_loadu_si256(s));
      offset = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(offset, 5));
      dot[r] = _mm512_zextsi256_si512(offset);
    }
#pragma GCC unroll 4
    for (size_t p = 0; p < 4; p++) {
      __m512i q = gm_q6_k_quants_avx512vnni(block, p), s = spread16(scale, p);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; r++) {
        __m256i low = _mm256_loadu_si256((const void *)gm_xk_q(x + r * x_row, 1, 2 * p, 0));
        __m256i high =
            _mm256_loadu_si256((const void *)gm_xk_q(x + r * x_row, 1, 2 * p + 1, 0));
        __m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        dot[r] = _mm512_dpwssd_epi32(dot[r], _mm512_maddubs_epi16(q, v), s);
      }
    }
    float d = _cvtsh_ss(block->d);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
      float dx = gm_xk_d(x + r * x_row, 1)[0];
      sum[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[r]), _mm512_set1_ps(d * dx), sum[r]);
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) y[r * ldy] = _mm512_reduce_add_ps(sum[r]);
}

void gm_gemv_q4_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k) {
  const bytes *in = x, *rows = w;
  size_t x_row = k / 256 * GM_XK_BYTES;
  for (; m >= 4; m -= 4, in += 4 * x_row, y += 4 * ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q4_k(4, y + j, ldy, in, rows + j * row_bytes, k);
  for (; m >= 1; m--, in += x_row, y += ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q4_k(1, y + j, ldy, in, rows + j * row_bytes, k);
}

void gm_gemv_q6_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k) {
  const bytes *in = x, *rows = w;
  size_t x_row = k / 256 * GM_XK_BYTES;
  for (; m >= 4; m -= 4, in += 4 * x_row, y += 4 * ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q6_k(4, y + j, ldy, in, rows + j * row_bytes, k);
  for (; m >= 1; m--, in += x_row, y += ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q6_k(1, y + j, ldy, in, rows + j * row_bytes, k);
}
