/* matmul_quant_avxvnni.c - AVX-VNNI: tiles of block types by vpdpbusd, on AVX2's panels
 * (described in matmul_q32_avx2.c and matmul_k_avx2.c). Products of few rows wait for memory,
 * so AVX2's are used; those of more steps with Q8_0 are in columns_q8_0_avxvnni.c. */
#include "activations.h"
#include "avx2/kernels_avx2.h"
#include "avxvnni/dot_avxvnni.h"
#include "avxvnni/kernels_avxvnni.h"

#include <assert.h>
#include <string.h>

enum { MR = 4, NR = 16, Q32_BYTES = 288, Q4_K_BYTES = 312, Q6_K_BYTES = 356, COLUMNS_ROWS = 7 };

typedef unsigned char bytes;

static inline __m256i load(const void *p) {
  return _mm256_loadu_si256(p);
}

static inline __m256i broadcast4(const void *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

static inline void zero(__m256i dot[MR][2]) {
#pragma GCC unroll 4
  for (size_t r = 0; r < MR; r++) dot[r][0] = dot[r][1] = _mm256_setzero_si256();
}

/* dot += `groups` groups of 4 elements of 16 rows of w with 4 rows of activations. */
static inline __attribute__((always_inline)) void dot_groups(__m256i dot[MR][2], const bytes *q,
                                                             const int8_t *v, size_t groups) {
#pragma GCC unroll 2
  for (size_t g = 0; g < groups; g++) {
    __m256i w0 = load(q + g * NR * 4), w1 = load(q + g * NR * 4 + 32);
#pragma GCC unroll 4
    for (size_t r = 0; r < MR; r++) {
      __m256i t = broadcast4(v + r * 32 + g * 4);
      dot[r][0] = gm_dot4_avxvnni(dot[r][0], w0, t);
      dot[r][1] = gm_dot4_avxvnni(dot[r][1], w1, t);
    }
  }
}

/* acc += dot * dw * dx */
static inline __attribute__((always_inline)) void add_scaled(float *acc, __m256i dot[MR][2],
                                                             const float *dw, const float *dx) {
#pragma GCC unroll 8
  for (size_t i = 0; i < 2 * MR; i++) {
    float *out = acc + i / 2 * NR + i % 2 * 8;
    __m256 d = _mm256_mul_ps(_mm256_loadu_ps(dw + i % 2 * 8), _mm256_set1_ps(dx[i / 2]));
    __m256 v = _mm256_cvtepi32_ps(dot[i / 2][i % 2]);
    _mm256_storeu_ps(out, _mm256_fmadd_ps(v, d, _mm256_loadu_ps(out)));
  }
}

/* The panel holds Q8_0 as bytes with 128 added, and Q4_0 as half bytes, whose products are
 * shifted by 4 bits to match the activations' sums. */
static inline __attribute__((always_inline)) void
tile_q32(float *acc, const bytes *a, const bytes *w, size_t k, bool first, int shift) {
  assert(k % 32 == 0);
  if (first) memset(acc, 0, MR * NR * sizeof(float));
  for (size_t at = 0; at < k; at += GM_X_CHUNK, a += MR * GM_X32_BYTES, w += NR * Q32_BYTES) {
    size_t blocks = gm_x_blocks(k, at);
    const float *dw = (const float *)(const void *)(w + 256 * NR);
    for (size_t b = 0; b < blocks; b++) {
      __m256i dot[MR][2];
      zero(dot);
      dot_groups(dot, w + b * 8 * NR * 4, gm_x_q(a, MR, b, 0), 8);
#pragma GCC unroll 4
      for (size_t r = 0; r < MR; r++) {
        __m256i s = _mm256_set1_epi32(gm_x32_s(a, MR)[b * MR + r]);
        dot[r][0] = _mm256_add_epi32(_mm256_slli_epi32(dot[r][0], shift), s);
        dot[r][1] = _mm256_add_epi32(_mm256_slli_epi32(dot[r][1], shift), s);
      }
      add_scaled(acc, dot, dw + b * NR, gm_x32_d(a, MR) + b * MR);
    }
  }
}

static void tile_q8_0(float *acc, const void *x, const void *panel, size_t k, bool first) {
  tile_q32(acc, x, panel, k, first, 0);
}

/* Many steps wait for the arithmetic. */
static void gemv_q8_0(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  size_t first = m >= COLUMNS_ROWS && k % GM_X_CHUNK == 0 ? n / 8 * 8 : 0;
  if (first > 0) gm_columns_q8_0_avxvnni(y, ldy, x, m, w, row_bytes, first, k);
  if (first < n)
    gm_gemv_q8_0_avx2(y + first, ldy, x, m, (const bytes *)w + first * row_bytes, row_bytes,
                      n - first, k);
}

static void tile_q4_0(float *acc, const void *x, const void *panel, size_t k, bool first) {
  tile_q32(acc, x, panel, k, first, 4);
}

/* total += dot * scale; each lane holds the scale twice, in 16 bits. */
static inline __attribute__((always_inline)) void
add_weighted(__m256i total[MR][2], __m256i dot[MR][2], const int16_t *scale) {
  __m256i s0 = _mm256_srai_epi32(load(scale), 16), s1 = _mm256_srai_epi32(load(scale + 16), 16);
#pragma GCC unroll 4
  for (size_t r = 0; r < MR; r++) {
    total[r][0] = _mm256_add_epi32(total[r][0], _mm256_mullo_epi32(dot[r][0], s0));
    total[r][1] = _mm256_add_epi32(total[r][1], _mm256_mullo_epi32(dot[r][1], s1));
  }
}

/* dot += n pairs of 16-bit factors. */
static inline __attribute__((always_inline)) void
dot_pairs(__m256i dot[MR][2], const int16_t *w, const int16_t *x, size_t n) {
  for (size_t i = 0; i < n; i++)
#pragma GCC unroll 4
    for (size_t r = 0; r < MR; r++) {
      __m256i t = broadcast4(x + (i * MR + r) * 2);
      dot[r][0] = gm_dot2_avxvnni(dot[r][0], load(w + i * NR * 2), t);
      dot[r][1] = gm_dot2_avxvnni(dot[r][1], load(w + i * NR * 2 + 16), t);
    }
}

static void tile_q4_k(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const bytes *a = x, *w = panel;
  if (first) memset(acc, 0, MR * NR * sizeof(float));
  for (size_t at = 0; at < k; at += 256, a += MR * GM_XK_BYTES, w += NR * Q4_K_BYTES) {
    const int16_t *scale = (const int16_t *)(const void *)(w + 256 * NR);
    const float *dw = (const float *)(const void *)(w + 304 * NR);
    __m256i total[MR][2], dot[MR][2];
    zero(total);
    for (size_t b = 0; b < 8; b++) {
      zero(dot);
      dot_groups(dot, w + b * 8 * NR * 4, gm_xk_q(a, MR, b, 0), 8);
      add_weighted(total, dot, scale + b * NR * 2);
    }
    zero(dot);
    dot_pairs(dot, (const int16_t *)(const void *)(w + 288 * NR), gm_xk_s32(a, MR), 4);
    float minus[NR];
    for (size_t j = 0; j < NR; j++) minus[j] = -dw[NR + j];
    add_scaled(acc, total, dw, gm_xk_d(a, MR));
    add_scaled(acc, dot, minus, gm_xk_d(a, MR));
  }
}

static void tile_q6_k(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const bytes *a = x, *w = panel;
  if (first) memset(acc, 0, MR * NR * sizeof(float));
  for (size_t at = 0; at < k; at += 256, a += MR * GM_XK_BYTES, w += NR * Q6_K_BYTES) {
    const int16_t *scale = (const int16_t *)(const void *)(w + 256 * NR);
    __m256i total[MR][2], dot[MR][2];
    /* -32 times the scales with the activations' sums */
    zero(total);
    dot_pairs(total, (const int16_t *)(const void *)(w + 320 * NR), gm_xk_s16(a, MR), 8);
#pragma GCC unroll 8
    for (size_t i = 0; i < 2 * MR; i++)
      total[i / 2][i % 2] =
          _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(total[i / 2][i % 2], 5));
    for (size_t b = 0; b < 16; b++) {
      zero(dot);
      dot_groups(dot, w + b * 4 * NR * 4, gm_xk_q(a, MR, b / 2, 0) + b % 2 * 16, 4);
      add_weighted(total, dot, scale + b * NR * 2);
    }
    add_scaled(acc, total, (const float *)(const void *)(w + 352 * NR), gm_xk_d(a, MR));
  }
}

const gm_matmul gm_matmul_q8_0_avxvnni = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_X32_BYTES,
    .w_chunk_bytes = Q32_BYTES,
    .pack_x = gm_pack_x32_avx2,
    .pack_w = gm_pack_w_q8_0_avx2,
    .tile = tile_q8_0,
    .gemv = gemv_q8_0,
    .row_chunk_bytes = GM_X32_BYTES,
};
const gm_matmul gm_matmul_q4_0_avxvnni = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_X32_BYTES,
    .w_chunk_bytes = Q32_BYTES,
    .pack_x = gm_pack_x32_avx2,
    .pack_w = gm_pack_w_q4_0_avx2,
    .tile = tile_q4_0,
    .gemv = gm_gemv_q4_0_avx2,
    .row_chunk_bytes = GM_X32_BYTES,
};
const gm_matmul gm_matmul_q4_k_avxvnni = {
    .mr = MR,
    .nr = NR,
    .block = 256,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XK_BYTES,
    .w_chunk_bytes = Q4_K_BYTES,
    .pack_x = gm_pack_xk_avx2,
    .pack_w = gm_pack_w_q4_k_avx2,
    .tile = tile_q4_k,
    .gemv = gm_gemv_q4_k_avx2,
    .row_chunk_bytes = GM_XK_BYTES,
};
const gm_matmul gm_matmul_q6_k_avxvnni = {
    .mr = MR,
    .nr = NR,
    .block = 256,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XK_BYTES,
    .w_chunk_bytes = Q6_K_BYTES,
    .pack_x = gm_pack_xk_avx2,
    .pack_w = gm_pack_w_q6_k_avx2,
    .tile = tile_q6_k,
    .gemv = gm_gemv_q6_k_avx2,
    .row_chunk_bytes = GM_XK_BYTES,
};
