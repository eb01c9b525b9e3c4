/* quants_avx2.h - the bytes of 32 elements of Q4_K and Q6_K blocks, unsigned. Static: this
 * header is compiled with AVX2 flags. */
#ifndef GM_QUANTS_AVX2_H
#define GM_QUANTS_AVX2_H

#include "types.h"

#include <immintrin.h>

/* Elements 32 b .. 32 b + 31 of a block. */
static inline __m256i gm_q4_k_quants_avx2(const unsigned char *block, size_t b) {
  const gm_block_q4_k *w = (const gm_block_q4_k *)(const void *)block;
  __m256i q = _mm256_loadu_si256((const void *)(w->qs + b / 2 * 32));
  if (b % 2 == 1) q = _mm256_srli_epi16(q, 4);
  return _mm256_and_si256(q, _mm256_set1_epi8(15));
}

static inline __m256i gm_q6_k_quants_avx2(const unsigned char *block, size_t b) {
  const gm_block_q6_k *w = (const gm_block_q6_k *)(const void *)block;
  __m256i low = _mm256_loadu_si256((const void *)(w->ql + b / 4 * 64 + b % 2 * 32));
  __m256i high = _mm256_loadu_si256((const void *)(w->qh + b / 4 * 32));
  if (b / 2 % 2 == 1) low = _mm256_srli_epi16(low, 4);
  switch (b % 4) {
  case 0:
    high = _mm256_slli_epi16(high, 4);
    break;
  case 1:
    high = _mm256_slli_epi16(high, 2);
    break;
  case 2:
    break;
  default:
    high = _mm256_srli_epi16(high, 2);
    break;
  }
  return _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(0x0F)),
                         _mm256_and_si256(high, _mm256_set1_epi8(0x30)));
}

#endif
