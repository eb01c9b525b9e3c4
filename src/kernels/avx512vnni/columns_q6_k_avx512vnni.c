/* columns_q6_k_avx512vnni.c - AVX-512 VNNI: many decoding steps with Q6_K weights, as
 * columns_avx512vnni.h says. The offset of 32 is subtracted as in matmul_k_avx512vnni.c. */
#include "activations.h"
#include "avx512vnni/columns_avx512vnni.h"
#include "avx512vnni/kernels_avx512vnni.h"
#include "prefetch.h"

#include <assert.h>

/* Sums of ROWS rows of x, a panel and its activations fit the first cache. */
enum { ROWS = 16 };

typedef unsigned char bytes;

/* A block of 16 rows of w. q[h][o][i]: four bytes of each, from element 128 h + 64 o + 4 i on.
 * Scales are words below zeros; offset[i]: -32 times scales 2 i and 2 i + 1. */
typedef struct panel_q6_k {
  __m512i q[2][2][16], scales[16], offset[8];
  __m512 d;
} panel_q6_k;

/* The sums of up to ROWS rows of x with 16 rows of w. lane[p][r][o]: of elements 8 p .. 8 p + 7
 * of each 64, even (o = 0) or odd ones. In gemv that is lane 4 (p / 2) + p % 2 + 2 o. */
typedef struct sums_q6_k {
  __m512 lane[8][ROWS][2];
} sums_q6_k;

static inline void unpack_scales(panel_q6_k *panel, const bytes *w, size_t row_bytes) {
  const __m512i one = _mm512_broadcast_i32x4(
      _mm_setr_epi8(-1, 0, -1, -1, -1, 4, -1, -1, -1, 8, -1, -1, -1, 12, -1, -1));
  const __m512i two = _mm512_broadcast_i32x4(
      _mm_setr_epi8(-1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13));
  __m512i four[4];
  gm_load_columns_avx512vnni(four, w + offsetof(gm_block_q6_k, scales), row_bytes);
#pragma GCC unroll 16
  for (unsigned i = 0; i < 16; i++) {
    __m512i rest = _mm512_srli_epi32(four[i / 4], i % 4 * 8);
    panel->scales[i] = _mm512_srai_epi16(_mm512_shuffle_epi8(rest, one), 8);
    if (i % 2 == 0)
      panel->offset[i / 2] = _mm512_sub_epi16(
          _mm512_setzero_si512(), _mm512_srai_epi16(_mm512_shuffle_epi8(rest, two), 3));
  }
  uint16_t d[16];
  for (size_t j = 0; j < 16; j++)
    memcpy(&d[j], w + j * row_bytes + offsetof(gm_block_q6_k, d), 2);
  panel->d = _mm512_cvtph_ps(_mm256_loadu_si256((const void *)d));
}

/* Low 4 bits of o = 0 and o = 1 share a byte; upper 2 bits of four elements 32 apart do. */
static inline void unpack_q6_k(panel_q6_k *panel, const bytes *w, size_t row_bytes) {
  const __m512i low = _mm512_set1_epi8(0x0F), two = _mm512_set1_epi8(0x30);
  unpack_scales(panel, w, row_bytes);
#pragma GCC unroll 2
  for (size_t h = 0; h < 2; h++)
    for (size_t i = 0; i < 8; i += 4) {
      __m512i upper[4];
      gm_load_columns_avx512vnni(upper, w + 128 + 32 * h + 4 * i, row_bytes);
#pragma GCC unroll 2
      for (size_t s = 0; s < 2; s++) {
        __m512i both[4];
        gm_load_columns_avx512vnni(both, w + 64 * h + 32 * s + 4 * i, row_bytes);
#pragma GCC unroll 4
        for (size_t c = 0; c < 4; c++) {
          __m512i even =
              s == 0 ? _mm512_slli_epi32(upper[c], 4) : _mm512_slli_epi32(upper[c], 2);
          __m512i odd = s == 0 ? upper[c] : _mm512_srli_epi32(upper[c], 2);
          __m512i *q0 = &panel->q[h][0][8 * s + i + c], *q1 = &panel->q[h][1][8 * s + i + c];
          /* low | (shifted & two) */
          *q0 = _mm512_ternarylogic_epi32(_mm512_and_si512(both[c], low), even, two, 0xF8);
          *q1 = _mm512_ternarylogic_epi32(_mm512_and_si512(_mm512_srli_epi32(both[c], 4), low),
                                          odd, two, 0xF8);
        }
      }
    }
}

/* dot += eight products of each of 16 rows of w, by their scale. Four are at most 63 * 127 * 4,
 * so that they fit 16 bits. */
static inline __m512i add_eight(__m512i dot, const __m512i *q, const bytes *x, __m512i scale) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i first = _mm512_dpbusd_epi32(zero, q[0], gm_each_avx512vnni(x));
  __m512i next = _mm512_dpbusd_epi32(zero, q[1], gm_each_avx512vnni(x + 4));
  return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(dot, first, scale), next, scale);
}

/* Two lanes of m rows of x; gemv's first eight lanes contain the offset. */
static inline __attribute__((always_inline)) void add_lanes(bool offset, sums_q6_k *sums,
                                                            const panel_q6_k *panel,
                                                            const __m512 *d, const bytes *x,
                                                            size_t x_row, size_t m, size_t p) {
  __m512i q[2][2][2], scale[2][2];
#pragma GCC unroll 2
  for (size_t h = 0; h < 2; h++) {
#pragma GCC unroll 2
    for (size_t o = 0; o < 2; o++) {
      q[h][o][0] = panel->q[h][o][2 * p];
      q[h][o][1] = panel->q[h][o][2 * p + 1];
      scale[h][o] = panel->scales[8 * h + 4 * o + p / 2];
    }
  }
  size_t at = p / 4 * 64 + p % 4 * 8, lane = p / 2 * 4 + p % 2;
  for (size_t r = 0; r < m; r++, x += x_row) {
    const int16_t *s = gm_xk_s16(x, 1);
#pragma GCC unroll 2
    for (size_t o = 0; o < 2; o++) {
      __m512i dot = _mm512_setzero_si512();
      if (offset)
        dot = _mm512_madd_epi16(panel->offset[lane + 2 * o],
                                gm_each_avx512vnni(s + 2 * (lane + 2 * o)));
      dot = add_eight(dot, q[0][o], x + at + 32 * o, scale[0][o]);
      dot = add_eight(dot, q[1][o], x + at + 32 * o + 128, scale[1][o]);
      __m512 *sum = &sums->lane[p][r][o];
      *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), d[r], *sum);
    }
  }
}

/* `ahead` bytes of each of the next 16 rows of w are asked for between the lanes. */
static inline void add_panel(sums_q6_k *sums, const panel_q6_k *panel, const bytes *x,
                             size_t x_row, size_t m, const bytes *w, size_t row_bytes,
                             size_t ahead) {
  __m512 d[ROWS];
  for (size_t r = 0; r < m; r++)
    d[r] = _mm512_mul_ps(panel->d, _mm512_set1_ps(gm_xk_d(x + r * x_row, 1)[0]));
  for (size_t p = 0; p < 8; p++) {
    gm_prefetch(w + 2 * p * row_bytes, ahead, 16 * row_bytes);
    gm_prefetch(w + (2 * p + 1) * row_bytes, ahead, 16 * row_bytes);
    if (p < 4)
      add_lanes(true, sums, panel, d, x, x_row, m, p);
    else
      add_lanes(false, sums, panel, d, x, x_row, m, p);
  }
}

static inline void store_q6_k(float *y, const sums_q6_k *sums, size_t r) {
  __m512 lane[16];
#pragma GCC unroll 16
  for (size_t l = 0; l < 16; l++) lane[l] = sums->lane[l / 4 * 2 + l % 2][r][l / 2 % 2];
  _mm512_storeu_ps(y, gm_sum_lanes_avx512vnni(lane));
}

void gm_columns_q6_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                                size_t row_bytes, size_t n, size_t k) {
  assert(m <= GM_GEMV_ROWS && n % 16 == 0 && k % 256 == 0);
  size_t x_row = k / 256 * GM_XK_BYTES;
  const bytes *rows = w;
  panel_q6_k panel;
  sums_q6_k sums[GM_GEMV_ROWS / ROWS];
  for (size_t j = 0; j < n; j += 16, rows += 16 * row_bytes) {
    memset(sums, 0, (m + ROWS - 1) / ROWS * sizeof sums[0]);
    for (size_t b = 0; b < k / 256; b++) {
      const bytes *in = rows + b * sizeof(gm_block_q6_k);
      unpack_q6_k(&panel, in, row_bytes);
      for (size_t r = 0; r < m; r += ROWS)
        add_panel(&sums[r / ROWS], &panel, (const bytes *)x + r * x_row + b * GM_XK_BYTES,
                  x_row, m - r < ROWS ? m - r : ROWS, in, row_bytes,
                  r == 0 ? sizeof(gm_block_q6_k) : 0);
    }
    for (size_t r = 0; r < m; r++) store_q6_k(y + r * ldy + j, &sums[r / ROWS], r % ROWS);
  }
}
