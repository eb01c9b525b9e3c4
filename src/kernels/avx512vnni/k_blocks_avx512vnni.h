/* k_blocks_avx512vnni.h - parts of Q4_K and Q6_K blocks unpacked. Static. */
#ifndef GM_K_BLOCKS_AVX512VNNI_H
#define GM_K_BLOCKS_AVX512VNNI_H

#include "types.h"

#include <immintrin.h>

/* The eight scales, then the eight minima of a block, in 16 bits: gm_q4_k_scales (k_scales.h)
 * in vectors. Each quadword holds the bytes with the low bits of its first four numbers and
 * those shared by the last four; multishift takes 8 bits from any place of it. */
static inline __m256i gm_q4_k_scales_avx512vnni(const gm_block_q4_k *block) {
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

/* Elements 64 p .. 64 p + 63 of a block of Q6_K, 0 .. 63, in order. */
static inline __m512i gm_q6_k_quants_avx512vnni(const gm_block_q6_k *w, size_t p) {
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

#endif
