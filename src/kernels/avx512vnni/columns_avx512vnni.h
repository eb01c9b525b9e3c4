/* columns_avx512vnni.h - products of many decoding steps whose vectors hold 16 rows of w.
 * Static.
 *
 * gemv with few rows of x adds up 16 lanes of a row of w, and all at the end. The same sums are
 * computed here with a vector for each of those lanes; its own lanes are 16 rows of w. So the
 * factors of a block need no spreading, and the weights are unpacked once for all rows of x.
 * Every lane's sum has the same terms in the same order, so the results are bit-identical. */
#ifndef GM_COLUMNS_AVX512VNNI_H
#define GM_COLUMNS_AVX512VNNI_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The 16 bytes at p of each of 16 rows of w, as four vectors of 32-bit numbers. */
static inline __attribute__((always_inline)) void
gm_load_columns_avx512vnni(__m512i out[4], const unsigned char *p, size_t row_bytes) {
  __m512i r[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; i++) {
    const unsigned char *in = p + i * row_bytes;
    r[i] = _mm512_castsi128_si512(_mm_loadu_si128((const void *)in));
    r[i] = _mm512_inserti32x4(r[i], _mm_loadu_si128((const void *)(in + 4 * row_bytes)), 1);
    r[i] = _mm512_inserti32x4(r[i], _mm_loadu_si128((const void *)(in + 8 * row_bytes)), 2);
    r[i] = _mm512_inserti32x4(r[i], _mm_loadu_si128((const void *)(in + 12 * row_bytes)), 3);
  }
  __m512i low[2] = {_mm512_unpacklo_epi32(r[0], r[1]), _mm512_unpacklo_epi32(r[2], r[3])};
  __m512i high[2] = {_mm512_unpackhi_epi32(r[0], r[1]), _mm512_unpackhi_epi32(r[2], r[3])};
  out[0] = _mm512_unpacklo_epi64(low[0], low[1]);
  out[1] = _mm512_unpackhi_epi64(low[0], low[1]);
  out[2] = _mm512_unpacklo_epi64(high[0], high[1]);
  out[3] = _mm512_unpackhi_epi64(high[0], high[1]);
}

/* The 32 bits at p in all lanes. */
static inline __m512i gm_each_avx512vnni(const void *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}

/* The sum of 16 lanes, a vector of each, in the order of _mm512_reduce_add_ps. */
static inline __m512 gm_sum_lanes_avx512vnni(const __m512 lane[16]) {
  __m512 four[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; i++)
    four[i] = _mm512_add_ps(_mm512_add_ps(lane[i + 8], lane[i]),
                            _mm512_add_ps(lane[i + 12], lane[i + 4]));
  return _mm512_add_ps(_mm512_add_ps(four[0], four[2]), _mm512_add_ps(four[1], four[3]));
}

#endif
