/* dot_avxvnni.h - products of 8 and of 16 bits added to 32. Static. They are written in
 * AVX-VNNI's own encoding, or in that of AVX-512 VL, so that a processor without the former can
 * test the files that use them. */
#ifndef GM_DOT_AVXVNNI_H
#define GM_DOT_AVXVNNI_H

#include <immintrin.h>

static inline __m256i gm_dot4_avxvnni(__m256i acc, __m256i w, __m256i x) {
#ifdef __AVXVNNI__
  return _mm256_dpbusd_avx_epi32(acc, w, x);
#else
  return _mm256_dpbusd_epi32(acc, w, x);
#endif
}

static inline __m256i gm_dot2_avxvnni(__m256i acc, __m256i w, __m256i x) {
#ifdef __AVXVNNI__
  return _mm256_dpwssd_avx_epi32(acc, w, x);
#else
  return _mm256_dpwssd_epi32(acc, w, x);
#endif
}

#endif
