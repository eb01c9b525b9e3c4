/* matmul_rounded_avx512bf16.c - AVX-512 BF16: products whose factors are both rounded to bf16,
 * in tiles of 14 x 32: 28 sums, two vectors of the panel and one broadcast pair of activations
 * fill the 32 registers. A broadcast reads a row of 32 elements where it lies, so activations
 * are packed by rounding alone; only the panel is interleaved. */
#include "avx512/transpose_avx512.h"
#include "avx512bf16/kernels_avx512bf16.h"

#include <assert.h>
#include <immintrin.h>
#include <string.h>

enum {
  MR = 14,
  NR = 32,
  CHUNK = 32,
  PAIRS = CHUNK / 2,
  X_BYTES = 2 * CHUNK,
  W_BYTES = X_BYTES
};

/* Rounds elements p[0, n) of a row to bf16, the rest of the 32 are zero. */
typedef __m512i (*load_fn)(const void *p, size_t n);

static inline __mmask32 first_lanes(size_t n) {
  return n >= CHUNK ? 0xFFFFFFFFU : (1U << n) - 1U;
}

static inline __m512i load_f32(const void *p, size_t n) {
  const float *x = p;
  if (n >= CHUNK)
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
  __mmask32 mask = first_lanes(n);
  __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, x);
  __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), n > 16 ? x + 16 : x);
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static inline __m512i load_bf16(const void *p, size_t n) {
  return n >= CHUNK ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16(first_lanes(n), p);
}

static inline __m512i load_f16(const void *p, size_t n) {
  __m512i half = load_bf16(p, n);
  __m512 low = _mm512_cvtph_ps(_mm512_castsi512_si256(half));
  __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1));
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* dst[chunk][group][32] */
static void pack_x(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k) {
  assert(rows <= group);
  unsigned char *out = dst;
  for (size_t at = 0; at < k; at += CHUNK, out += group * X_BYTES)
    for (size_t r = 0; r < group; r++) {
      __m512i v = r < rows ? load_f32(x + r * ldx + at, k - at) : _mm512_setzero_si512();
      _mm512_storeu_si512(out + r * X_BYTES, v);
    }
}

/* panel[chunk][16 pairs][32 rows of w][2] */
static inline __attribute__((always_inline)) void pack_w(void *panel, const char *w,
                                                         size_t row_bytes, size_t element,
                                                         size_t rows, size_t k, load_fn load) {
  assert(rows <= NR && (uintptr_t)panel % 64 == 0);
  unsigned char *out = panel;
  for (size_t at = 0; at < k; at += CHUNK, out += NR * W_BYTES)
    for (size_t half = 0; half < NR; half += 16) {
      __m512 r[16];
#pragma GCC unroll 16
      for (size_t j = 0; j < 16; j++)
        r[j] = half + j < rows ? (__m512)load(w + (half + j) * row_bytes + at * element, k - at)
                               : _mm512_setzero_ps();
      gm_transpose16_avx512(r);
#pragma GCC unroll 16
      for (size_t j = 0; j < PAIRS; j++) _mm512_store_ps(out + j * NR * 4 + half * 4, r[j]);
    }
}

static inline __m512bh pair_of(const unsigned char *p) {
  int pair;
  memcpy(&pair, p, sizeof pair);
  return (__m512bh)_mm512_set1_epi32(pair);
}

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const unsigned char *a = x, *b = panel;
  __m512 sum[MR][2];
#pragma GCC unroll 14
  for (size_t r = 0; r < MR; r++) {
    sum[r][0] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(acc + r * NR);
    sum[r][1] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(acc + r * NR + 16);
  }
  for (size_t at = 0; at < k; at += CHUNK, a += MR * X_BYTES)
    for (const unsigned char *pair = a; pair < a + X_BYTES; pair += 4, b += NR * 4) {
      __m512bh b0 = (__m512bh)_mm512_load_si512(b), b1 = (__m512bh)_mm512_load_si512(b + 64);
#pragma GCC unroll 14
      for (size_t r = 0; r < MR; r++) {
        __m512bh v = pair_of(pair + r * X_BYTES);
        sum[r][0] = _mm512_dpbf16_ps(sum[r][0], v, b0);
        sum[r][1] = _mm512_dpbf16_ps(sum[r][1], v, b1);
      }
    }
#pragma GCC unroll 14
  for (size_t r = 0; r < MR; r++) {
    _mm512_storeu_ps(acc + r * NR, sum[r][0]);
    _mm512_storeu_ps(acc + r * NR + 16, sum[r][1]);
  }
}

#include "matmul_rounded_types.h"

const gm_matmul gm_rounded_f32_avx512bf16 = ROUNDED_PRODUCT(GM_TILE_AS_ROWS, pack_w_f32);
const gm_matmul gm_rounded_f16_avx512bf16 = ROUNDED_PRODUCT(GM_TILE_AS_ROWS, pack_w_f16);
const gm_matmul gm_rounded_bf16_avx512bf16 = ROUNDED_PRODUCT(GM_TILE_AS_ROWS, pack_w_bf16);
