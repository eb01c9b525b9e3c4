/* columns_q4_k_avx512vnni.c - AVX-512 VNNI: many decoding steps with Q4_K weights, as
 * columns_avx512vnni.h says. */
#include "activations.h"
#include "avx512vnni/columns_avx512vnni.h"
#include "avx512vnni/kernels_avx512vnni.h"
#include "prefetch.h"

#include <assert.h>

/* Sums of ROWS rows of x, PANELS panels and their activations fit the first cache. */
enum { ROWS = 16, PANELS = 2 };

typedef unsigned char bytes;

/* A block of 16 rows of w. */
typedef struct panel_q4_k {
  __m512i q[32];     /* four bytes, so eight half bytes, of each row */
  __m512i scales[8]; /* 32 bits */
  __m512i minima[4]; /* pairs of 16 bits */
  __m512 d, dmin;
} panel_q4_k;

/* The sums of up to ROWS rows of x with 16 rows of w. lane[p][r][i]: of elements 8 p .. 8 p + 7
 * of both halves of a block, low half bytes (i = 0) or high ones. In gemv that is lane
 * 4 (p / 2) + p % 2 + 2 i. */
typedef struct sums_q4_k {
  __m512 minima[ROWS][4];
  __m512 lane[8][ROWS][2];
  __m512 d[ROWS]; /* of the present block */
} sums_q4_k;

/* The scales as gm_q4_k_scales (k_scales.h) unpacks them, for 16 blocks. */
static inline void unpack_scales(panel_q4_k *panel, const __m512i packed[3]) {
  const __m512i six = _mm512_set1_epi8(0x3F), four = _mm512_set1_epi8(0x0F);
  const __m512i two = _mm512_set1_epi8(0x30);
  __m512i high = _mm512_srli_epi32(packed[2], 4);
  __m512i s[2] = {_mm512_and_si512(packed[0], six), _mm512_and_si512(packed[2], four)};
  __m512i m[2] = {_mm512_and_si512(packed[1], six), _mm512_and_si512(high, four)};
  /* low | (shifted & two) */
  s[1] = _mm512_ternarylogic_epi32(s[1], _mm512_srli_epi32(packed[0], 2), two, 0xF8);
  m[1] = _mm512_ternarylogic_epi32(m[1], _mm512_srli_epi32(packed[1], 2), two, 0xF8);
#pragma GCC unroll 8
  for (unsigned i = 0; i < 8; i++)
    panel->scales[i] =
        _mm512_and_si512(_mm512_srli_epi32(s[i / 4], i % 4 * 8), _mm512_set1_epi32(0xFF));
  const __m512i places = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1));
#pragma GCC unroll 4
  for (unsigned i = 0; i < 4; i++)
    panel->minima[i] = _mm512_shuffle_epi8(_mm512_srli_epi32(m[i / 2], i % 2 * 16), places);
}

static inline void unpack_q4_k(panel_q4_k *panel, const bytes *w, size_t row_bytes) {
  __m512i head[4]; /* d and dmin, then 12 bytes of scales */
  gm_load_columns_avx512vnni(head, w, row_bytes);
  panel->d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(head[0]));
  panel->dmin = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(head[0], 16)));
  unpack_scales(panel, head + 1);
  for (size_t i = 0; i < 8; i++)
    gm_load_columns_avx512vnni(panel->q + 4 * i, w + 16 + 16 * i, row_bytes);
}

/* What belongs to whole blocks: the steps, and the product of the minima. */
static inline void begin_rows(sums_q4_k *sums, const panel_q4_k *panel, const bytes *x,
                              size_t x_row, size_t m) {
  for (size_t r = 0; r < m; r++) {
    const bytes *chunk = x + r * x_row;
    const int16_t *s = gm_xk_s32(chunk, 1);
    __m512 dx = _mm512_set1_ps(gm_xk_d(chunk, 1)[0]);
    __m512 dmin = _mm512_mul_ps(panel->dmin, dx);
    sums->d[r] = _mm512_mul_ps(panel->d, dx);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
      __m512i dot = _mm512_madd_epi16(panel->minima[i], gm_each_avx512vnni(s + 2 * i));
      sums->minima[r][i] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(dot), dmin, sums->minima[r][i]);
    }
  }
}

/* Eight products of each of 16 rows of w; at most 15 * 127 * 8, so that they fit 16 bits. */
static inline __m512i eight(const __m512i q[2], const bytes *x) {
  __m512i dot = _mm512_dpbusd_epi32(_mm512_setzero_si512(), q[0], gm_each_avx512vnni(x));
  return _mm512_dpbusd_epi32(dot, q[1], gm_each_avx512vnni(x + 4));
}

/* Of one block: bytes 8 p .. 8 p + 7 of both halves of the weights, with all rows of x. */
static inline void add_lanes(sums_q4_k *sums, const panel_q4_k *panel, const bytes *x,
                             size_t x_row, size_t m, size_t p) {
  const __m512i low = _mm512_set1_epi8(15);
  __m512i q[2][2][2], scale[2][2]; /* [low or high half bytes][half of the block] */
#pragma GCC unroll 2
  for (size_t h = 0; h < 2; h++) {
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++) {
      __m512i both = panel->q[16 * h + 2 * p + i];
      q[0][h][i] = _mm512_and_si512(both, low);
      q[1][h][i] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
      scale[i][h] = panel->scales[4 * h + p / 4 * 2 + i];
    }
  }
  x += 8 * p;
  for (size_t r = 0; r < m; r++, x += x_row) {
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++) {
      __m512i dot = _mm512_madd_epi16(eight(q[i][0], x + 64 * i), scale[i][0]);
      dot = _mm512_dpwssd_epi32(dot, eight(q[i][1], x + 128 + 64 * i), scale[i][1]);
      __m512 *lane = &sums->lane[p][r][i];
      *lane = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), sums->d[r], *lane);
    }
  }
}

static inline void store_q4_k(float *y, const sums_q4_k *sums, size_t r) {
  __m512 lane[16];
#pragma GCC unroll 16
  for (size_t l = 0; l < 16; l++) {
    __m512 minus = l < 4 ? sums->minima[r][l] : _mm512_setzero_ps();
    lane[l] = _mm512_add_ps(sums->lane[l / 4 * 2 + l % 2][r][l / 2 % 2], minus);
  }
  _mm512_storeu_ps(y, gm_sum_lanes_avx512vnni(lane));
}

/* Some panels, whose weights begin at w, with up to ROWS rows of x. `ahead` bytes of each block
 * of the next 16 rows are asked for between the lanes: all at once they would keep the loads
 * that follow waiting. */
static void panels_q4_k(sums_q4_k *sums, const panel_q4_k *panels, size_t n, const bytes *x,
                        size_t x_row, size_t m, const bytes *w, size_t row_bytes,
                        size_t ahead) {
  for (size_t b = 0; b < n; b++, x += GM_XK_BYTES, w += sizeof(gm_block_q4_k)) {
    begin_rows(sums, &panels[b], x, x_row, m);
    for (size_t p = 0; p < 8; p++) {
      gm_prefetch(w + 2 * p * row_bytes, ahead, 16 * row_bytes);
      gm_prefetch(w + (2 * p + 1) * row_bytes, ahead, 16 * row_bytes);
      add_lanes(sums, &panels[b], x, x_row, m, p);
    }
  }
}

void gm_columns_q4_k_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                                size_t row_bytes, size_t n, size_t k) {
  assert(m <= GM_GEMV_ROWS && n % 16 == 0 && k % 256 == 0);
  size_t x_row = k / 256 * GM_XK_BYTES, blocks = k / 256, some;
  const bytes *rows = w;
  panel_q4_k panels[PANELS];
  sums_q4_k sums[GM_GEMV_ROWS / ROWS];
  for (size_t j = 0; j < n; j += 16, rows += 16 * row_bytes) {
    memset(sums, 0, (m + ROWS - 1) / ROWS * sizeof sums[0]);
    for (size_t b = 0; b < blocks; b += some) {
      some = blocks - b < PANELS ? blocks - b : PANELS;
      const bytes *in = rows + b * sizeof(gm_block_q4_k);
      for (size_t i = 0; i < some; i++)
        unpack_q4_k(&panels[i], in + i * sizeof(gm_block_q4_k), row_bytes);
      for (size_t r = 0; r < m; r += ROWS)
        panels_q4_k(&sums[r / ROWS], panels, some,
                    (const bytes *)x + r * x_row + b * GM_XK_BYTES, x_row,
                    m - r < ROWS ? m - r : ROWS, in, row_bytes,
                    r == 0 ? sizeof(gm_block_q4_k) : 0);
    }
    for (size_t r = 0; r < m; r++) store_q4_k(y + r * ldy + j, &sums[r / ROWS], r % ROWS);
  }
}
