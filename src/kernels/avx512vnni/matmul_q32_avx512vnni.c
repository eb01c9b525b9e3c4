/* matmul_q32_avx512vnni.c - AVX-512 VNNI: products of few rows with Q8_0 and Q4_0 weights and
 * int8 activations.
 *
 * vpdpbusd multiplies unsigned by signed bytes, so weights are made unsigned by adding 128 to
 * their value (Q4_0: 120 to the stored half byte) and the activations' sums serve to subtract
 * that again. */
#include "activations.h"
#include "avx512vnni/kernels_avx512vnni.h"
#include "prefetch.h"

#include <assert.h>
#include <immintrin.h>

typedef unsigned char bytes;

/* Two blocks, or one and zeros, as unsigned bytes in the order of their elements: what is
 * stored with an offset of 128 (Q8_0) or 8 (Q4_0). */
typedef __m512i (*load_fn)(const bytes *block, bool both);

static inline __m512i load_q8_0(const bytes *block, bool both) {
  __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(block + 2));
  __m256i high = _mm256_setzero_si256();
  if (both) high = _mm256_loadu_si256((const __m256i *)(const void *)(block + 36));
  __m512i q = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  return _mm512_xor_si512(q, _mm512_set1_epi8((char)0x80));
}

/* The half bytes of 16 bytes: low ones, then high ones. */
static inline __m256i halves(const bytes *p) {
  __m128i q = _mm_loadu_si128((const __m128i *)(const void *)p);
  __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(q), _mm_srli_epi16(q, 4), 1);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

static inline __m512i load_q4_0(const bytes *block, bool both) {
  __m256i low = halves(block + 2), high = _mm256_setzero_si256();
  if (both) high = halves(block + 20);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* The scales of the blocks of a chunk; lanes from `blocks` on are zero. */
static inline __m256 scales_of(const bytes *w, size_t block_bytes, size_t blocks) {
  uint16_t d[8] = {0};
  for (size_t b = 0; b < blocks; b++)
    d[b] = *(const uint16_t *)(const void *)(w + b * block_bytes);
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)d));
}

/* The same for a whole chunk of Q8_0: every 17th 16-bit word of 272 bytes. */
static inline __m256 scales_q8_0(const bytes *w) {
  const __m512i at = _mm512_castsi128_si512(_mm_setr_epi16(0, 17, 34, 51, 4, 21, 38, 55));
  __m512i low =
      _mm512_permutex2var_epi16(_mm512_loadu_si512(w), at, _mm512_loadu_si512(w + 64));
  __m512i high =
      _mm512_permutex2var_epi16(_mm512_loadu_si512(w + 128), at, _mm512_loadu_si512(w + 192));
  return _mm256_cvtph_ps(
      _mm_blend_epi16(_mm512_castsi512_si128(low), _mm512_castsi512_si128(high), 0xF0));
}

/* Of Q4_0: every 9th word of 144 bytes. */
static inline __m256 scales_q4_0(const bytes *w) {
  const __m512i at = _mm512_castsi128_si512(_mm_setr_epi16(0, 9, 18, 27, 36, 45, 54, 63));
  __m512i d = _mm512_permutex2var_epi16(_mm512_loadu_si512(w), at, _mm512_loadu_si512(w + 64));
  return _mm256_cvtph_ps(_mm512_castsi512_si128(d));
}

/* Blocks 2 p and 2 p + 1 of a whole chunk, unsigned. */
static inline __m512i pair_q8_0(const bytes *w, size_t p) {
  return load_q8_0(w + 68 * p, true);
}

/* 36 bytes of two blocks, each half spread and shifted: one permutation of 64 loaded bytes,
 * which begin at the pair except for the last, where they end with the chunk. */
static inline __m512i pair_q4_0(const bytes *w, size_t p) {
  const __m512i lane = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  const __m512i start = _mm512_setr_epi64(
      0x0202020202020202, 0x0202020202020202, 0x0202020202020202, 0x0202020202020202,
      0x1414141414141414, 0x1414141414141414, 0x1414141414141414, 0x1414141414141414);
  const __m512i shift = _mm512_setr_epi64(0, 0, 0x0000000400000004, 0x0000000400000004, 0, 0,
                                          0x0000000400000004, 0x0000000400000004);
  __m512i at = _mm512_add_epi8(lane, start);
  if (p == 3) at = _mm512_add_epi8(at, _mm512_set1_epi8(28));
  __m512i q = _mm512_permutexvar_epi8(at, _mm512_loadu_si512(w + (p == 3 ? 80 : 36 * p)));
  return _mm512_and_si512(_mm512_srlv_epi32(q, shift), _mm512_set1_epi8(15));
}

typedef __m256 (*scales_fn)(const bytes *w);
typedef __m512i (*pair_fn)(const bytes *w, size_t p);

/* Factors of blocks 2 p and 2 p + 1, eight lanes each. */
static inline __m512 spread(__m512 d, size_t p) {
  int a = (int)(2 * p), b = a + 1;
  return _mm512_permutexvar_ps(
      _mm512_setr_epi32(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b), d);
}

/* y of one row of w with R rows of x; the weights' offset is offset_scale * 128. */
static inline __attribute__((always_inline)) void
gemv_row(size_t R, float *y, size_t ldy, const bytes *x, const bytes *w, size_t k,
         size_t block_bytes, float offset_scale, scales_fn scales, pair_fn pair, load_fn load) {
  size_t x_row = (k + GM_X_CHUNK - 1) / GM_X_CHUNK * GM_X32_BYTES;
  __m512 sum[4];
  __m256 offset[4];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) sum[r] = _mm512_setzero_ps(), offset[r] = _mm256_setzero_ps();
  for (size_t at = 0; at < k; at += GM_X_CHUNK, x += GM_X32_BYTES, w += 8 * block_bytes) {
    size_t blocks = gm_x_blocks(k, at);
    gm_prefetch_ahead(w, 8 * block_bytes);
    __m256 dw = blocks == 8 ? scales(w) : scales_of(w, block_bytes, blocks);
    __m512 factor[4];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
      const bytes *chunk = x + r * x_row;
      __mmask8 mask = (__mmask8)((1u << blocks) - 1);
      __m256 d = _mm256_mul_ps(dw, _mm256_maskz_loadu_ps(mask, gm_x32_d(chunk, 1)));
      __m256i s = _mm256_maskz_loadu_epi32(mask, gm_x32_s(chunk, 1));
      offset[r] = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(s), offset[r]);
      factor[r] = _mm512_castps256_ps512(d);
    }
#pragma GCC unroll 4
    for (size_t p = 0; p < 4; p++) {
      if (2 * p >= blocks) break;
      __m512i q = blocks == 8 ? pair(w, p) : load(w + 2 * p * block_bytes, 2 * p + 1 < blocks);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; r++) {
        __m512i v = _mm512_loadu_si512(gm_x_q(x + r * x_row, 1, 2 * p, 0));
        if (2 * p + 1 >= blocks) v = _mm512_maskz_mov_epi64(0x0F, v);
        __m512i dot = _mm512_dpbusd_epi32(_mm512_setzero_si512(), q, v);
        sum[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), spread(factor[r], p), sum[r]);
      }
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) {
    __m256 off = _mm256_mul_ps(offset[r], _mm256_set1_ps(offset_scale));
    y[r * ldy] = _mm512_reduce_add_ps(_mm512_add_ps(sum[r], _mm512_zextps256_ps512(off)));
  }
}

static inline __attribute__((always_inline)) void
gemv(float *y, size_t ldy, const bytes *x, size_t m, const bytes *w, size_t row_bytes, size_t n,
     size_t k, size_t block_bytes, float offset_scale, scales_fn scales, pair_fn pair,
     load_fn load) {
  assert(m <= GM_GEMV_ROWS && k % 32 == 0);
  size_t x_row = (k + GM_X_CHUNK - 1) / GM_X_CHUNK * GM_X32_BYTES;
  for (; m >= 4; m -= 4, x += 4 * x_row, y += 4 * ldy)
    for (size_t j = 0; j < n; j++)
      gemv_row(4, y + j, ldy, x, w + j * row_bytes, k, block_bytes, offset_scale, scales, pair,
               load);
  for (; m >= 1; m--, x += x_row, y += ldy)
    for (size_t j = 0; j < n; j++)
      gemv_row(1, y + j, ldy, x, w + j * row_bytes, k, block_bytes, offset_scale, scales, pair,
               load);
}

/* How many of the n rows of w go the way of columns_avx512vnni.h. */
static inline size_t in_columns(size_t m, size_t n, size_t k) {
  return m >= GM_COLUMNS_ROWS && k % GM_X_CHUNK == 0 ? n / 16 * 16 : 0;
}

void gm_gemv_q8_0_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k) {
  size_t first = in_columns(m, n, k);
  if (first > 0) gm_columns_q8_0_avx512vnni(y, ldy, x, m, w, row_bytes, first, k);
  gemv(y + first, ldy, x, m, (const bytes *)w + first * row_bytes, row_bytes, n - first, k,
       sizeof(gm_block_q8_0), 1.0f, scales_q8_0, pair_q8_0, load_q8_0);
}

void gm_gemv_q4_0_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k) {
  size_t first = in_columns(m, n, k);
  if (first > 0) gm_columns_q4_0_avx512vnni(y, ldy, x, m, w, row_bytes, first, k);
  gemv(y + first, ldy, x, m, (const bytes *)w + first * row_bytes, row_bytes, n - first, k,
       sizeof(gm_block_q4_0), 0.0625f, scales_q4_0, pair_q4_0, load_q4_0);
}
