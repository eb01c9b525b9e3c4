/* matmul_q8_0_avx2.c - AVX2: products of many rows with Q8_0 weights, in 16 bits; those of few
 * rows are in matmul_q32_avx2.c.
 *
 * vpmaddubsw takes full bytes only as two half bytes, or in pairs that are widened at once: two
 * multiplications for 32 products either way. So do words by vpmaddwd, without saturation and
 * with room: 13 bits of a weight and 12 of an activation, 256 of whose products stay below
 * 2^31. So a chunk of a row has one scale, to which its blocks are brought with 5 bits more
 * than they have.
 *
 * Panel of 16 rows of w, per chunk of 256 elements: int16 [128][16][2] (element / 2, row,
 * element % 2), then float d[16]. A tile of activations is described in activations.h. */
#include "activations.h"
#include "avx2/kernels_avx2.h"
#include "avx2/transpose_avx2.h"

#include <string.h>

enum { MR = 4, NR = 16, W_BYTES = 516 };

typedef unsigned char bytes;

static inline size_t chunk_size(size_t k, size_t first) {
  return k - first < GM_X_CHUNK ? k - first : GM_X_CHUNK;
}

static inline __m256i load(const void *p) {
  return _mm256_loadu_si256(p);
}

/* ---- 256 weights to one scale ----------------------------------------------------------- */

/* Writes n words of a row's chunk and returns their scale. */
static inline float pack_w_row(int16_t *out, const bytes *w, size_t n) {
  float d[8], top = 0;
  for (size_t b = 0; b < n / 32; b++) {
    d[b] = _cvtsh_ss(((const gm_block_q8_0 *)(const void *)w)[b].d);
    float size = d[b] < 0 ? -d[b] : d[b];
    top = size > top ? size : top;
  }
  float most = top > 0 ? 32767.0f / top : 0.0f;
  for (size_t b = 0; b < n / 32; b++, w += sizeof(gm_block_q8_0), out += 32) {
    int share = _mm_cvtss_si32(_mm_set_ss(d[b] * most)); /* not a number: 0 in 16 bits */
    __m256i q = load(w + 2), factor = _mm256_set1_epi16((short)share);
    __m256i low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(q));
    __m256i high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(q, 1));
    low = _mm256_mulhrs_epi16(_mm256_slli_epi16(low, 5), factor);
    high = _mm256_mulhrs_epi16(_mm256_slli_epi16(high, 5), factor);
    _mm256_storeu_si256((void *)out, low);
    _mm256_storeu_si256((void *)(out + 16), high);
  }
  return top * (1.0f / 32);
}

static void pack_w(void *dst, const void *src, size_t row_bytes, size_t rows, size_t k) {
  enum { CHUNK_BYTES = 8 * sizeof(gm_block_q8_0) };
  bytes *panel = dst;
  const bytes *w = src;
  for (size_t at = 0; at < k; at += GM_X_CHUNK, panel += NR * W_BYTES, w += CHUNK_BYTES) {
    size_t n = chunk_size(k, at);
    float *d = (float *)(void *)(panel + 512 * NR);
    for (size_t side = 0; side < NR; side += 8) {
      int16_t words[8][GM_X_CHUNK];
      for (size_t j = 0; j < 8; j++) {
        const bytes *in = w + (side + j) * row_bytes;
        d[side + j] = side + j < rows ? pack_w_row(words[j], in, n) : 0.0f;
        if (side + j >= rows) memset(words[j], 0, sizeof words[j]);
        /* Too many rows at once for the processor to see that each goes on. */
        for (size_t i = 0; i < CHUNK_BYTES; i += 64)
          __builtin_prefetch((const void *)((uintptr_t)in + CHUNK_BYTES + i));
      }
      for (size_t i = 0; i < n; i += 16) {
        __m256 r[8];
#pragma GCC unroll 8
        for (size_t j = 0; j < 8; j++) r[j] = _mm256_castsi256_ps(load(words[j] + i));
        gm_transpose8_avx2(r);
        float *out = (float *)(void *)panel + i / 2 * NR + side;
#pragma GCC unroll 8
        for (size_t j = 0; j < 8; j++) _mm256_storeu_ps(out + j * NR, r[j]);
      }
    }
  }
}

/* ---- activations ------------------------------------------------------------------------ */

/* One row of a chunk of n elements, for row r of `group`. */
static inline void pack_x_row(bytes *chunk, const float *x, size_t n, size_t r, size_t group) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 low = _mm256_setzero_ps(), high = low;
  for (size_t i = 0; i < n; i += 16) {
    low = _mm256_max_ps(_mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)), low);
    high = _mm256_max_ps(_mm256_andnot_ps(sign, _mm256_loadu_ps(x + i + 8)), high);
  }
  low = _mm256_max_ps(low, high);
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(low), _mm256_extractf128_ps(low, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  float top = _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  bool tiny = !(top > GM_X_TINY);
  __m256 inverse = _mm256_set1_ps(tiny ? 0.0f : GM_XW_TOP / top);
  for (size_t i = 0; i < n; i += 16) {
    __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), inverse));
    __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), inverse));
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
    /* Not a number converts to the least integer. */
    words = _mm256_max_epi16(words, _mm256_set1_epi16(-GM_XW_TOP));
    _mm256_storeu_si256((void *)(chunk + (i / 16 * group + r) * 32), words);
  }
  ((float *)(void *)(chunk + 512 * group))[r] = tiny ? 0.0f : top / GM_XW_TOP;
}

static void pack_x(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k) {
  if (group == 1) { /* few rows have their own form */
    gm_pack_x32_avx2(dst, x, ldx, rows, group, k);
    return;
  }
  size_t chunk_bytes = GM_XW_BYTES * group;
  if (rows < group) memset(dst, 0, (k + GM_X_CHUNK - 1) / GM_X_CHUNK * chunk_bytes);
  for (size_t r = 0; r < rows; r++)
    for (size_t at = 0; at < k; at += GM_X_CHUNK)
      pack_x_row((bytes *)dst + at / GM_X_CHUNK * chunk_bytes, x + r * ldx + at,
                 chunk_size(k, at), r, group);
}

/* ---- the tile --------------------------------------------------------------------------- */

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const bytes *a = x, *w = panel;
  if (first) memset(acc, 0, MR * NR * sizeof(float));
  for (size_t at = 0; at < k; at += GM_X_CHUNK, a += MR * GM_XW_BYTES, w += NR * W_BYTES) {
    const bytes *q = w, *v = a;
    __m256i dot[MR][2];
#pragma GCC unroll 4
    for (size_t r = 0; r < MR; r++) dot[r][0] = dot[r][1] = _mm256_setzero_si256();
    for (size_t n = chunk_size(k, at); n > 0; n -= 16, q += 8 * NR * 4, v += MR * 32)
#pragma GCC unroll 8
      for (size_t g = 0; g < 8; g++) {
        __m256i w0 = load(q + g * NR * 4), w1 = load(q + g * NR * 4 + 32);
#pragma GCC unroll 4
        for (size_t r = 0; r < MR; r++) {
          int32_t pair;
          memcpy(&pair, v + r * 32 + g * 4, 4);
          __m256i t = _mm256_set1_epi32(pair);
          dot[r][0] = gm_keep_avx2(_mm256_add_epi32(dot[r][0], _mm256_madd_epi16(w0, t)));
          dot[r][1] = gm_keep_avx2(_mm256_add_epi32(dot[r][1], _mm256_madd_epi16(w1, t)));
        }
      }
    const float *dx = (const float *)(const void *)(a + 512 * MR);
    const float *dw = (const float *)(const void *)(w + 512 * NR);
#pragma GCC unroll 8
    for (size_t i = 0; i < 2 * MR; i++) {
      float *out = acc + i / 2 * NR + i % 2 * 8;
      __m256 d = _mm256_mul_ps(_mm256_loadu_ps(dw + i % 2 * 8), _mm256_set1_ps(dx[i / 2]));
      __m256 sum = _mm256_cvtepi32_ps(dot[i / 2][i % 2]);
      _mm256_storeu_ps(out, _mm256_fmadd_ps(sum, d, _mm256_loadu_ps(out)));
    }
  }
}

const gm_matmul gm_matmul_q8_0_avx2 = {
    MR,     NR,     32,   GM_X_CHUNK,        GM_XW_BYTES,   W_BYTES,
    pack_x, pack_w, tile, gm_gemv_q8_0_avx2, GM_TILE_WORDS, GM_X32_BYTES,
    NULL};
