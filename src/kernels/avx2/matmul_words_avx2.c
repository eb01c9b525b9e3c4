/* matmul_words_avx2.c - AVX2: products of many rows whose factors are both rounded to 16-bit
 * integers, with one scale for 64 elements of a row. Weights have 13 bits and a sign,
 * activations 12 bits and a sign. One vpmaddwd and one addition do 16 products. Where a
 * processor starts two or more of both in a cycle, that is up to twice as fast as multiply-adds
 * of f32.
 *
 * Panel of 16 rows of w, per chunk of 64 elements: int16 [32][16][2] (element / 2, row,
 * element % 2), then float d[16]. A tile of activations is described in activations.h. */
#include "activations.h"
#include "avx2/float_loads_avx2.h"
#include "avx2/kernels_avx2.h"
#include "avx2/top_avx2.h"
#include "avx2/transpose_avx2.h"

#include <assert.h>
#include <string.h>

enum {
  MR = 4,
  NR = 16,
  CHUNK = GM_XW_CHUNK,
  PIECE = 16,
  X_BYTES = GM_XW_BYTES,
  W_BYTES = 2 * CHUNK + 4
};

typedef unsigned char bytes;

static inline size_t min_size(size_t a, size_t b) {
  return a < b ? a : b;
}

static inline __m256i load(const void *p) {
  return _mm256_loadu_si256(p);
}

/* Rounds n <= 64 elements at p to words up to `most`, 16 at a time and `step` bytes apart;
 * zeros fill the last 16. Returns their scale. */
static inline __attribute__((always_inline)) float round_row(bytes *out, size_t step,
                                                             const char *p, size_t element,
                                                             size_t n, float most,
                                                             load_fn load_floats) {
  __m256 v[CHUNK / 8];
  __m256i low = _mm256_setzero_si256(), high = low;
#pragma GCC unroll 8
  for (size_t i = 0; i < CHUNK / 8; i += 2) {
    size_t left = n > 8 * i ? n - 8 * i : 0, right = left > 8 ? left - 8 : 0;
    v[i] = v[i + 1] = _mm256_setzero_ps();
    if (left) v[i] = load_floats(p + 8 * i * element, min_size(left, 8));
    if (right) v[i + 1] = load_floats(p + 8 * (i + 1) * element, min_size(right, 8));
    low = gm_top_bits_avx2(low, v[i]);
    high = gm_top_bits_avx2(high, v[i + 1]);
  }
  float top = gm_top_avx2(_mm256_max_epi32(low, high));
  __m256 inverse = _mm256_set1_ps(gm_x_inverse(top, most));
#pragma GCC unroll 4
  for (size_t i = 0; i < CHUNK / PIECE; i++) {
    if (i * PIECE >= n) break;
    __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(v[2 * i], inverse));
    __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(v[2 * i + 1], inverse));
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
    /* NaN converts to the least integer. */
    words = _mm256_max_epi16(words, _mm256_set1_epi16((short)-most));
    _mm256_storeu_si256((void *)(out + i * step), words);
  }
  return gm_x_step(top, most);
}

static inline __attribute__((always_inline)) void pack_w(bytes *panel, const char *w,
                                                         size_t row_bytes, size_t element,
                                                         size_t rows, size_t k,
                                                         load_fn load_floats) {
  assert(rows <= NR);
  for (size_t at = 0; at < k; at += CHUNK, panel += NR * W_BYTES, w += CHUNK * element) {
    size_t n = min_size(k - at, CHUNK);
    float *d = (float *)(void *)(panel + 2 * CHUNK * NR);
    for (size_t side = 0; side < NR; side += 8) {
      int16_t words[8][CHUNK];
      if (rows < side + 8) memset(words, 0, sizeof words);
      for (size_t j = 0; j < 8; j++)
        d[side + j] = side + j < rows
                          ? round_row((bytes *)words[j], 2 * PIECE, w + (side + j) * row_bytes,
                                      element, n, GM_WW_TOP, load_floats)
                          : 0.0f;
      for (size_t i = 0; i < n; i += PIECE) {
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

static void pack_x(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k) {
  assert(rows <= group);
  size_t chunk_bytes = GM_XW_BYTES * group;
  if (rows < group) memset(dst, 0, (k + CHUNK - 1) / CHUNK * chunk_bytes);
  for (size_t r = 0; r < rows; r++) {
    bytes *chunk = dst;
    for (size_t at = 0; at < k; at += CHUNK, chunk += chunk_bytes)
      ((float *)(void *)(chunk + 2 * CHUNK * group))[r] =
          round_row(chunk + r * 2 * PIECE, 2 * PIECE * group, (const char *)(x + r * ldx + at),
                    4, min_size(k - at, CHUNK), GM_XW_TOP, load_f32);
  }
}

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  assert(k > 0);
  const bytes *a = x, *w = panel;
  for (size_t at = 0; at < k; at += CHUNK, a += MR * GM_XW_BYTES, w += NR * W_BYTES) {
    const bytes *q = w, *v = a;
    __m256i dot[MR][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < MR; r++) dot[r][0] = dot[r][1] = _mm256_setzero_si256();
    size_t pieces = (min_size(k - at, CHUNK) + PIECE - 1) / PIECE;
    do { /* if the loop might not run at all, gcc keeps the sums in memory */
#pragma GCC unroll 8
      for (size_t g = 0; g < PIECE / 2; g++) {
        __m256i w0 = load(q + g * NR * 4), w1 = load(q + g * NR * 4 + 32);
#pragma GCC unroll 8
        for (size_t r = 0; r < MR; r++) {
          int32_t pair;
          memcpy(&pair, v + r * 2 * PIECE + g * 4, 4);
          __m256i t = _mm256_set1_epi32(pair);
          dot[r][0] = gm_keep_avx2(_mm256_add_epi32(dot[r][0], _mm256_madd_epi16(w0, t)));
          dot[r][1] = gm_keep_avx2(_mm256_add_epi32(dot[r][1], _mm256_madd_epi16(w1, t)));
        }
      }
      q += PIECE * NR * 2, v += MR * PIECE * 2;
    } while (--pieces > 0);
    const float *dx = (const float *)(const void *)(a + 2 * CHUNK * MR);
    const float *dw = (const float *)(const void *)(w + 2 * CHUNK * NR);
    __m256 d0 = _mm256_loadu_ps(dw), d1 = _mm256_loadu_ps(dw + 8);
#pragma GCC unroll 8
    for (size_t r = 0; r < MR; r++) {
      float *out = acc + r * NR;
      __m256 d = _mm256_set1_ps(dx[r]), s0 = _mm256_cvtepi32_ps(dot[r][0]);
      __m256 s1 = _mm256_cvtepi32_ps(dot[r][1]);
      bool begins = first && at == 0;
      __m256 a0 = begins ? _mm256_setzero_ps() : _mm256_loadu_ps(out);
      __m256 a1 = begins ? _mm256_setzero_ps() : _mm256_loadu_ps(out + 8);
      _mm256_storeu_ps(out, _mm256_fmadd_ps(s0, _mm256_mul_ps(d0, d), a0));
      _mm256_storeu_ps(out + 8, _mm256_fmadd_ps(s1, _mm256_mul_ps(d1, d), a1));
    }
  }
}

#include "matmul_rounded_types.h"

const gm_matmul gm_rounded_f32_avx2 = ROUNDED_PRODUCT(GM_TILE_WORDS, pack_w_f32);
const gm_matmul gm_rounded_f16_avx2 = ROUNDED_PRODUCT(GM_TILE_WORDS, pack_w_f16);
const gm_matmul gm_rounded_bf16_avx2 = ROUNDED_PRODUCT(GM_TILE_WORDS, pack_w_bf16);
