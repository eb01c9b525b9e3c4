/* probe_int8_avx2.c - see probe_kernels.h: vpmaddubsw, vpmaddwd and vpaddd, four products a
 * lane. */
#include "avx2/kernels_avx2.h"
#include "avx2/transpose_avx2.h"

enum { CHAINS = 10 };

typedef __m256i sum;
typedef __m256i factor;

static inline sum chain(int k) {
  return _mm256_set1_epi32(k);
}

static inline sum step(sum a, factor x, factor *y) {
  *y = gm_keep_avx2(*y); /* so that no product is taken for an earlier one */
  __m256i pairs = _mm256_maddubs_epi16(x, *y);
  return gm_keep_avx2(_mm256_add_epi32(a, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
}

static inline sum join(sum a, sum b) {
  return _mm256_add_epi32(a, b);
}

#include "probe_vec.h"

uint64_t gm_probe_int8_avx2(size_t n, int32_t *sink) {
  factor x = _mm256_set1_epi8(3), y = _mm256_set1_epi8((char)(*sink & 7));
  *sink ^= _mm256_extract_epi32(probe_chains(n, x, y), 0);
  return (uint64_t)n * CHAINS * 32 * 2;
}
