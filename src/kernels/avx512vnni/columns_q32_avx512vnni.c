/* columns_q32_avx512vnni.c - AVX-512 VNNI: many decoding steps with Q8_0 and Q4_0 weights, as
 * columns_avx512vnni.h says. Weights are made unsigned as in matmul_q32_avx512vnni.c. */
#include "activations.h"
#include "avx512vnni/columns_avx512vnni.h"
#include "avx512vnni/kernels_avx512vnni.h"
#include "prefetch.h"

#include <assert.h>

/* Sums of ROWS rows of x, a panel, factors and activations fit the first cache. */
enum { ROWS = 16, BLOCKS = 8 };

typedef unsigned char bytes;

/* A chunk of 16 rows of w: four bytes of each, [block][element / 4]; the blocks' scales. */
typedef struct panel {
  __m512i q[BLOCKS][8];
  __m512 d[BLOCKS];
} panel;

/* The sums of up to ROWS rows of x with 16 rows of w. lane[l][r][i]: gemv's lane 2 l + i. */
typedef struct row_sums {
  __m512 lane[8][ROWS][2], offset[ROWS][BLOCKS];
} row_sums;

/* A chunk of 16 rows of w that begins at w, without its scales. */
typedef void (*unpack_fn)(panel *p, const bytes *w, size_t row_bytes);

static inline void unpack_q8_0(panel *p, const bytes *w, size_t row_bytes) {
  for (size_t b = 0; b < BLOCKS; b++) {
    const bytes *q = w + b * sizeof(gm_block_q8_0) + 2;
    gm_load_columns_avx512vnni(p->q[b], q, row_bytes);
    gm_load_columns_avx512vnni(p->q[b] + 4, q + 16, row_bytes);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
      p->q[b][i] = _mm512_xor_si512(p->q[b][i], _mm512_set1_epi8((char)0x80));
  }
}

static inline void unpack_q4_0(panel *p, const bytes *w, size_t row_bytes) {
  const __m512i low = _mm512_set1_epi8(15);
  for (size_t b = 0; b < BLOCKS; b++) {
    __m512i both[4];
    gm_load_columns_avx512vnni(both, w + b * sizeof(gm_block_q4_0) + 2, row_bytes);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
      p->q[b][i] = _mm512_and_si512(both[i], low);
      p->q[b][4 + i] = _mm512_and_si512(_mm512_srli_epi16(both[i], 4), low);
    }
  }
}

static inline void unpack_scales(panel *p, const bytes *w, size_t row_bytes,
                                 size_t block_bytes) {
  uint32_t d[16][BLOCKS / 2]; /* two of a row at a time: loads can take what was stored so */
  for (size_t j = 0; j < 16; j++, w += row_bytes)
    for (size_t b = 0; b < BLOCKS; b += 2) {
      uint16_t even, odd;
      memcpy(&even, w + b * block_bytes, 2);
      memcpy(&odd, w + (b + 1) * block_bytes, 2);
      d[j][b / 2] = even | (uint32_t)odd << 16;
    }
  __m512i pairs[BLOCKS / 2];
  gm_load_columns_avx512vnni(pairs, (const bytes *)d, sizeof d[0]);
  for (size_t b = 0; b < BLOCKS; b += 2) {
    p->d[b] = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(pairs[b / 2]));
    p->d[b + 1] = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(pairs[b / 2], 16)));
  }
}

/* What belongs to whole blocks: the factors of both sides, and the weights' offset. */
static inline void begin_row(__m512 factor[BLOCKS], __m512 offset[BLOCKS], const panel *p,
                             const bytes *chunk) {
  float s[BLOCKS];
  _mm256_storeu_ps(s, _mm256_cvtepi32_ps(_mm256_loadu_si256((const void *)gm_x32_s(chunk, 1))));
#pragma GCC unroll 8
  for (size_t b = 0; b < BLOCKS; b++) {
    factor[b] = _mm512_mul_ps(p->d[b], _mm512_set1_ps(gm_x32_d(chunk, 1)[b]));
    offset[b] = _mm512_fmadd_ps(factor[b], _mm512_set1_ps(s[b]), offset[b]);
  }
}

/* Two lanes: four bytes each, from byte 8 i on, of the even or the odd blocks of a chunk, with
 * m rows of x. */
static inline void add_lanes(__m512 (*sum)[2], const panel *p, const __m512 *factor,
                             const bytes *x, size_t x_row, size_t m, size_t odd, size_t i) {
  __m512i q[4][2];
#pragma GCC unroll 4
  for (size_t b = 0; b < 4; b++) {
    q[b][0] = p->q[2 * b + odd][2 * i];
    q[b][1] = p->q[2 * b + odd][2 * i + 1];
  }
  x += 32 * odd + 8 * i;
  factor += odd;
  for (size_t r = 0; r < m; r++, x += x_row, sum++, factor += BLOCKS) {
    __m512 low = sum[0][0], high = sum[0][1];
#pragma GCC unroll 4
    for (size_t b = 0; b < 4; b++) {
      const __m512i zero = _mm512_setzero_si512();
      __m512 f = factor[2 * b];
      __m512i first = _mm512_dpbusd_epi32(zero, q[b][0], gm_each_avx512vnni(x + 64 * b));
      __m512i next = _mm512_dpbusd_epi32(zero, q[b][1], gm_each_avx512vnni(x + 64 * b + 4));
      low = _mm512_fmadd_ps(_mm512_cvtepi32_ps(first), f, low);
      high = _mm512_fmadd_ps(_mm512_cvtepi32_ps(next), f, high);
    }
    sum[0][0] = low, sum[0][1] = high;
  }
}

/* `ahead` bytes of each of the next 16 rows of w are asked for between the lanes: all at once
 * they would keep the loads that follow waiting. */
static inline void add_panel(row_sums *sums, const panel *p, const bytes *x, size_t x_row,
                             size_t m, const bytes *w, size_t row_bytes, size_t ahead) {
  __m512 factor[ROWS][BLOCKS];
  for (size_t r = 0; r < m; r++) begin_row(factor[r], sums->offset[r], p, x + r * x_row);
  for (size_t l = 0; l < 8; l++) {
    gm_prefetch(w + 2 * l * row_bytes, ahead, 16 * row_bytes);
    gm_prefetch(w + (2 * l + 1) * row_bytes, ahead, 16 * row_bytes);
    add_lanes(sums->lane[l], p, factor[0], x, x_row, m, l / 4, l % 4);
  }
}

static inline void store(float *y, const row_sums *sums, size_t r, float offset_scale) {
  __m512 lane[16];
#pragma GCC unroll 16
  for (size_t l = 0; l < 16; l++) {
    __m512 off = _mm512_setzero_ps();
    if (l < BLOCKS) off = _mm512_mul_ps(sums->offset[r][l], _mm512_set1_ps(offset_scale));
    lane[l] = _mm512_add_ps(sums->lane[l / 2][r][l % 2], off);
  }
  _mm512_storeu_ps(y, gm_sum_lanes_avx512vnni(lane));
}

/* The weights' offset is offset_scale * 128. */
static inline __attribute__((always_inline)) void
columns(float *y, size_t ldy, const bytes *x, size_t m, const bytes *w, size_t row_bytes,
        size_t n, size_t k, size_t block_bytes, float offset_scale, unpack_fn unpack) {
  assert(m <= GM_GEMV_ROWS && n % 16 == 0 && k % GM_X_CHUNK == 0);
  size_t chunks = k / GM_X_CHUNK, x_row = chunks * GM_X32_BYTES, chunk_bytes = 8 * block_bytes;
  row_sums sums[GM_GEMV_ROWS / ROWS];
  panel p;
  for (size_t j = 0; j < n; j += 16, w += 16 * row_bytes) {
    memset(sums, 0, (m + ROWS - 1) / ROWS * sizeof sums[0]);
    for (size_t c = 0; c < chunks; c++) {
      const bytes *in = w + c * chunk_bytes;
      unpack_scales(&p, in, row_bytes, block_bytes);
      unpack(&p, in, row_bytes);
      for (size_t r = 0; r < m; r += ROWS)
        add_panel(&sums[r / ROWS], &p, x + r * x_row + c * GM_X32_BYTES, x_row,
                  m - r < ROWS ? m - r : ROWS, in, row_bytes, r == 0 ? chunk_bytes : 0);
    }
    for (size_t r = 0; r < m; r++)
      store(y + r * ldy + j, &sums[r / ROWS], r % ROWS, offset_scale);
  }
}

void gm_columns_q8_0_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                                size_t row_bytes, size_t n, size_t k) {
  columns(y, ldy, x, m, w, row_bytes, n, k, sizeof(gm_block_q8_0), 1.0f, unpack_q8_0);
}

void gm_columns_q4_0_avx512vnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                                size_t row_bytes, size_t n, size_t k) {
  columns(y, ldy, x, m, w, row_bytes, n, k, sizeof(gm_block_q4_0), 0.0625f, unpack_q4_0);
}
