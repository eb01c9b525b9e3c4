/* matmul_k_avx512vnni.c - AVX-512 VNNI: products with Q4_K and Q6_K weights and int8
 * activations. The weights' integers are unsigned as they stand; Q6_K's offset of 32 is taken
 * back by the activations' sums, Q4_K's minima are a small product of their own.
 *
 * Panel of 32 rows of w, per block of 256 elements: bytes [64][32][4] (element / 4, row,
 * element % 4); then
 *   Q4_K: float d * scale [8][32], int16 min [4][32][2] (two neighbours), float dmin[32]
 *   Q6_K: float d * scale [16][32] */
#include "activations.h"
#include "avx512/kernels_avx512.h"
#include "avx512/transpose_avx512.h"
#include "avx512vnni/kernels_avx512vnni.h"
#include "k_scales.h"
#include "prefetch.h"

#include <immintrin.h>

enum { MR = 6, NR = 32, Q4_K_BYTES = 308, Q6_K_BYTES = 320 };

typedef unsigned char bytes;

/* Elements 64 p .. 64 p + 63 of a block, unsigned, in order. */
typedef __m512i (*load_fn)(const bytes *block, size_t p);

static inline __m512i load_q4_k(const bytes *block, size_t p) {
  const gm_block_q4_k *w = (const gm_block_q4_k *)(const void *)block;
  __m256i q = _mm256_loadu_si256((const __m256i *)(const void *)(w->qs + 32 * p));
  const __m512i shift = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi32(4), 1);
  return _mm512_and_si512(_mm512_srlv_epi32(_mm512_broadcast_i64x4(q), shift),
                          _mm512_set1_epi8(15));
}

static inline __m512i load_q6_k(const bytes *block, size_t p) {
  const gm_block_q6_k *w = (const gm_block_q6_k *)(const void *)block;
  /* Of half p / 2: low 4 bits in one half of 64 bytes, upper 2 in one quarter of each of 32. */
  __m512i low = _mm512_loadu_si512(w->ql + p / 2 * 64);
  __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)(w->qh + p / 2 * 32));
  __m512i high = _mm512_inserti64x4(_mm512_castsi256_si512(h), h, 1);
  if (p % 2 == 0)
    high = _mm512_sllv_epi32(high,
                             _mm512_setr_epi32(4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2));
  else {
    high = _mm512_srlv_epi32(high,
                             _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2));
    low = _mm512_srli_epi16(low, 4);
  }
  low = _mm512_and_si512(low, _mm512_set1_epi8(0x0F));
  /* low | (high & 0x30) */
  return _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi8(0x30), 0xF8);
}

static inline __attribute__((always_inline)) void
pack_quants(bytes *panel, const bytes *w, size_t row_bytes, size_t rows, load_fn load) {
  for (size_t p = 0; p < 4; p++)
    for (size_t side = 0; side < NR; side += 16) {
      __m512 r[16];
#pragma GCC unroll 16
      for (size_t j = 0; j < 16; j++)
        r[j] = side + j < rows ? _mm512_castsi512_ps(load(w + (side + j) * row_bytes, p))
                               : _mm512_setzero_ps();
      gm_transpose16_avx512(r);
      bytes *out = panel + p * 16 * NR * 4 + side * 4;
#pragma GCC unroll 16
      for (size_t i = 0; i < 16; i++) _mm512_storeu_ps(out + i * NR * 4, r[i]);
    }
}

static void pack_w_q4_k(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  bytes *out = panel;
  const bytes *in = w;
  for (size_t at = 0; at < k; at += 256, out += NR * Q4_K_BYTES, in += sizeof(gm_block_q4_k)) {
    pack_quants(out, in, row_bytes, rows, load_q4_k);
    float *scale = (float *)(void *)(out + 256 * NR);
    int16_t *min = (int16_t *)(void *)(out + 288 * NR);
    float *dmin = (float *)(void *)(out + 304 * NR);
    if (rows < NR) memset(scale, 0, (Q4_K_BYTES - 256) * NR);
    for (size_t j = 0; j < rows; j++) {
      const gm_block_q4_k *block = (const gm_block_q4_k *)(const void *)(in + j * row_bytes);
      uint8_t s[8], m[8];
      gm_q4_k_scales(s, m, block->scales);
      float d = _cvtsh_ss(block->d);
      dmin[j] = _cvtsh_ss(block->dmin);
#pragma GCC unroll 8
      for (size_t i = 0; i < 8; i++) {
        scale[i * NR + j] = d * s[i];
        min[(i / 2 * NR + j) * 2 + i % 2] = m[i];
      }
    }
  }
}

static void pack_w_q6_k(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  bytes *out = panel;
  const bytes *in = w;
  for (size_t at = 0; at < k; at += 256, out += NR * Q6_K_BYTES, in += sizeof(gm_block_q6_k)) {
    pack_quants(out, in, row_bytes, rows, load_q6_k);
    float *scale = (float *)(void *)(out + 256 * NR);
    if (rows < NR) memset(scale, 0, (Q6_K_BYTES - 256) * NR);
    for (size_t j = 0; j < rows; j++) {
      const gm_block_q6_k *block = (const gm_block_q6_k *)(const void *)(in + j * row_bytes);
      float d = _cvtsh_ss(block->d);
#pragma GCC unroll 16
      for (size_t i = 0; i < 16; i++) scale[i * NR + j] = d * block->scales[i];
    }
  }
}

/* dot += four groups of 4 elements of 32 rows of w with MR rows of activations. */
static inline __attribute__((always_inline)) void dot_groups(__m512i dot[MR][2], const bytes *q,
                                                             const int8_t *v, size_t groups) {
#pragma GCC unroll 8
  for (size_t g = 0; g < groups; g++) {
    __m512i q0 = _mm512_loadu_si512(q + g * 128), q1 = _mm512_loadu_si512(q + g * 128 + 64);
#pragma GCC unroll 6
    for (size_t r = 0; r < MR; r++) {
      __m512i t = _mm512_set1_epi32(*(const int32_t *)(const void *)(v + r * 32 + g * 4));
      dot[r][0] = _mm512_dpbusd_epi32(dot[r][0], q0, t);
      dot[r][1] = _mm512_dpbusd_epi32(dot[r][1], q1, t);
    }
  }
}

/* sum += dot * d for 32 columns. */
static inline __attribute__((always_inline)) void
add_scaled(__m512 sum[MR][2], __m512i dot[MR][2], const float *d) {
  __m512 d0 = _mm512_loadu_ps(d), d1 = _mm512_loadu_ps(d + 16);
#pragma GCC unroll 6
  for (size_t r = 0; r < MR; r++) {
    sum[r][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[r][0]), d0, sum[r][0]);
    sum[r][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[r][1]), d1, sum[r][1]);
  }
}

/* acc = (first ? 0 : acc) + sum * dx */
static inline __attribute__((always_inline)) void flush(float *acc, __m512 sum[MR][2],
                                                        const float *dx, bool first) {
#pragma GCC unroll 6
  for (size_t r = 0; r < MR; r++) {
    __m512 d = _mm512_set1_ps(dx[r]);
    float *row = acc + r * NR;
    __m512 a0 = first ? _mm512_setzero_ps() : _mm512_loadu_ps(row);
    __m512 a1 = first ? _mm512_setzero_ps() : _mm512_loadu_ps(row + 16);
    _mm512_storeu_ps(row, _mm512_fmadd_ps(sum[r][0], d, a0));
    _mm512_storeu_ps(row + 16, _mm512_fmadd_ps(sum[r][1], d, a1));
  }
}

static void tile_q4_k(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const bytes *a = x, *w = panel;
  for (size_t at = 0; at < k; at += 256, a += MR * GM_XK_BYTES, w += NR * Q4_K_BYTES) {
    const int16_t *min = (const int16_t *)(const void *)(w + 288 * NR);
    const float *dmin = (const float *)(const void *)(w + 304 * NR);
    const int16_t *s = gm_xk_s32(a, MR);
    __m512 sum[MR][2];
    __m512i dot[MR][2];
    /* -dmin * (minima . sums of activations) */
#pragma GCC unroll 6
    for (size_t r = 0; r < MR; r++) dot[r][0] = dot[r][1] = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
      __m512i m0 = _mm512_loadu_si512(min + i * NR * 2);
      __m512i m1 = _mm512_loadu_si512(min + i * NR * 2 + 32);
#pragma GCC unroll 6
      for (size_t r = 0; r < MR; r++) {
        __m512i t = _mm512_set1_epi32(*(const int32_t *)(const void *)(s + (i * MR + r) * 2));
        dot[r][0] = _mm512_dpwssd_epi32(dot[r][0], m0, t);
        dot[r][1] = _mm512_dpwssd_epi32(dot[r][1], m1, t);
      }
    }
    __m512 d0 = _mm512_loadu_ps(dmin), d1 = _mm512_loadu_ps(dmin + 16);
    d0 = _mm512_sub_ps(_mm512_setzero_ps(), d0), d1 = _mm512_sub_ps(_mm512_setzero_ps(), d1);
#pragma GCC unroll 6
    for (size_t r = 0; r < MR; r++) {
      sum[r][0] = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[r][0]), d0);
      sum[r][1] = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[r][1]), d1);
    }
    const float *scale = (const float *)(const void *)(w + 256 * NR);
    for (size_t b = 0; b < 8; b++) {
#pragma GCC unroll 6
      for (size_t r = 0; r < MR; r++) dot[r][0] = dot[r][1] = _mm512_setzero_si512();
      dot_groups(dot, w + b * 8 * NR * 4, gm_xk_q(a, MR, b, 0), 8);
      add_scaled(sum, dot, scale + b * NR);
    }
    flush(acc, sum, gm_xk_d(a, MR), first && at == 0);
  }
}

static void tile_q6_k(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const bytes *a = x, *w = panel;
  for (size_t at = 0; at < k; at += 256, a += MR * GM_XK_BYTES, w += NR * Q6_K_BYTES) {
    const float *scale = (const float *)(const void *)(w + 256 * NR);
    const int16_t *s16 = gm_xk_s16(a, MR);
    _Alignas(64) int32_t s[16 * MR]; /* -32 times the sums, in the same order */
    __m512 sum[MR][2];
#pragma GCC unroll 6
    for (size_t i = 0; i < MR; i++) {
      __m256i two = _mm256_loadu_si256((const __m256i *)(const void *)(s16 + i * 16));
      __m512i wide = _mm512_slli_epi32(_mm512_cvtepi16_epi32(two), 5);
      _mm512_store_si512(s + i * 16, _mm512_sub_epi32(_mm512_setzero_si512(), wide));
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < MR; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (size_t b = 0; b < 16; b++) {
      __m512i dot[MR][2];
#pragma GCC unroll 6
      for (size_t r = 0; r < MR; r++)
        dot[r][0] = dot[r][1] = _mm512_set1_epi32(s[(b / 2 * MR + r) * 2 + b % 2]);
      dot_groups(dot, w + b * 4 * NR * 4, gm_xk_q(a, MR, b / 2, 0) + b % 2 * 16, 4);
      add_scaled(sum, dot, scale + b * NR);
    }
    flush(acc, sum, gm_xk_d(a, MR), first && at == 0);
  }
}

/* ---- few rows -------------------------------------------------------------------------- */

/* The eight scales, then the eight minima of a block, in 16 bits: gm_q4_k_scales in vectors.
 * Each quadword holds the bytes with the low bits of its first four numbers and those shared by
 * the last four; multishift takes 8 bits from any place of it. */
static inline __m256i scales_q4_k(const gm_block_q4_k *block) {
  const __m128i low_at =
      _mm_setr_epi8(0, 8, 16, 24, 32, 40, 48, 56, 0, 8, 16, 24, 36, 44, 52, 60);
  const __m128i high_at = _mm_setr_epi8(0, 0, 0, 0, 2, 10, 18, 26, 0, 0, 0, 0, 2, 10, 18, 26);
  const __m128i low_bits = _mm_set1_epi64x(0x0F0F0F0F3F3F3F3F);
  const __m128i high_bits = _mm_set1_epi64x(0x3030303000000000);
  __m128i packed = _mm_loadu_si128((const __m128i *)(const void *)block->scales);
  packed = _mm_shuffle_epi32(packed, 0x98); /* 0, 2, 1, 2 */
  __m128i low = _mm_and_si128(_mm_multishift_epi64_epi8(low_at, packed), low_bits);
  __m128i high = _mm_multishift_epi64_epi8(high_at, packed);
  /* low | (high & high_bits) */
  return _mm256_cvtepu8_epi16(_mm_ternarylogic_epi32(low, high, high_bits, 0xF8));
}

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
    __m256i scales = scales_q4_k(block);
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
      __m512i q = load_q6_k(w, p), s = spread16(scale, p);
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

static void gemv_q4_k(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  const bytes *in = x, *rows = w;
  size_t x_row = k / 256 * GM_XK_BYTES;
  for (; m >= 4; m -= 4, in += 4 * x_row, y += 4 * ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q4_k(4, y + j, ldy, in, rows + j * row_bytes, k);
  for (; m >= 1; m--, in += x_row, y += ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q4_k(1, y + j, ldy, in, rows + j * row_bytes, k);
}

static void gemv_q6_k(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  const bytes *in = x, *rows = w;
  size_t x_row = k / 256 * GM_XK_BYTES;
  for (; m >= 4; m -= 4, in += 4 * x_row, y += 4 * ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q6_k(4, y + j, ldy, in, rows + j * row_bytes, k);
  for (; m >= 1; m--, in += x_row, y += ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q6_k(1, y + j, ldy, in, rows + j * row_bytes, k);
}

const gm_matmul gm_matmul_q4_k_avx512vnni = {
    MR,          NR,        256,      GM_X_CHUNK, GM_XK_BYTES, Q4_K_BYTES, gm_pack_xk_avx512,
    pack_w_q4_k, tile_q4_k, gemv_q4_k};
const gm_matmul gm_matmul_q6_k_avx512vnni = {
    MR,          NR,        256,      GM_X_CHUNK, GM_XK_BYTES, Q6_K_BYTES, gm_pack_xk_avx512,
    pack_w_q6_k, tile_q6_k, gemv_q6_k};
