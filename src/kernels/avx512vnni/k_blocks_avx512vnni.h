/* k_blocks_avx512vnni.h - parts of Q4_K and Q6_K blocks unpacked. Static. */
#ifndef GM_K_BLOCKS_AVX512VNNI_H
#define GM_K_BLOCKS_AVX512VNNI_H

#include "types.h"

#include <immintrin.h>

/* In each 128 bits, whose first 12 bytes are the packed scales of a block of Q4_K: its eight
 * scales, then its eight minima, in bytes: gm_q4_k_scales (k_scales.h) in vectors. After the
 * shuffle each quadword holds the bytes with the low bits of its first four numbers and those
 * shared by the last four; multishift takes 8 bits from any place of it. */
static inline __m512i gm_q4_k_scale_bytes_avx512vnni(__m512i packed) {
  const __m512i low_at = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 8, 16, 24, 32, 40, 48, 56, 0, 8, 16, 24, 36, 44, 52, 60));
  const __m512i high_at = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 0, 0, 0, 2, 10, 18, 26, 0, 0, 0, 0, 2, 10, 18, 26));
  const __m512i low_bits = _mm512_set1_epi64(0x0F0F0F0F3F3F3F3F);
  const __m512i high_bits = _mm512_set1_epi64(0x3030303000000000);
  packed = _mm512_shuffle_epi32(packed, _MM_PERM_CBCA); /* 0, 2, 1, 2 */
  __m512i low = _mm512_and_si512(_mm512_multishift_epi64_epi8(low_at, packed), low_bits);
  __m512i high = _mm512_multishift_epi64_epi8(high_at, packed);
  /* low | (high & high_bits) */
  return _mm512_ternarylogic_epi32(low, high, high_bits, 0xF8);
}

static inline __m128i gm_q4_k_packed_scales(const gm_block_q4_k *block) {
  return _mm_loadu_si128((const __m128i *)(const void *)block->scales);
}

/* The eight scales, then the eight minima of one block, in 16 bits. */
static inline __m256i gm_q4_k_scales_avx512vnni(const gm_block_q4_k *block) {
  __m512i packed = _mm512_castsi128_si512(gm_q4_k_packed_scales(block));
  return _mm256_cvtepu8_epi16(_mm512_castsi512_si128(gm_q4_k_scale_bytes_avx512vnni(packed)));
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
