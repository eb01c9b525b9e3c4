/* columns_q8_0_avxvnni.c - AVX-VNNI: many decoding steps with Q8_0 weights.
 *
 * AVX2's gemv adds up 16 lanes of a row of w: 8 of even blocks, 8 of odd ones. The same sums
 * are computed here with a vector for each of those lanes; its own lanes are 8 rows of w. So
 * the factors of a block need no spreading, and the weights are unpacked once for all rows of
 * x. Every lane's sum has the same terms in the same order, so the results are bit-identical.
 * Weights are made unsigned by adding 128; the sums begin with what that adds to them. */
#include "activations.h"
#include "avxvnni/dot_avxvnni.h"
#include "avxvnni/kernels_avxvnni.h"
#include "prefetch.h"

#include <assert.h>
#include <string.h>

/* Sums of ROWS rows of x, a panel, factors and activations fit the first cache. */
enum { ROWS = 16, BLOCKS = 8, COLUMNS = 8 };

typedef unsigned char bytes;

/* A chunk of 8 rows of w: four bytes of each, [block][element / 4]; the blocks' scales. */
typedef struct panel {
  __m256i q[BLOCKS][8];
  __m256 d[BLOCKS];
} panel;

/* A chunk of a row of x: the factors of both sides, and where sums of products begin. */
typedef struct row {
  __m256 factor[BLOCKS];
  int32_t begin[BLOCKS][8];
} row;

/* The sums of up to ROWS rows of x with 8 rows of w. lane[l][r][i]: gemv's lane 2 l + i, the
 * odd blocks' from 8 on. */
typedef struct row_sums {
  __m256 lane[8][ROWS][2];
} row_sums;

/* The 16 bytes at p of each of 8 rows of w, as four vectors of 32-bit numbers. */
static inline void load_columns(__m256i out[4], const bytes *p, size_t row_bytes) {
  __m256i r[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; i++)
    r[i] = _mm256_setr_m128i(_mm_loadu_si128((const void *)(p + i * row_bytes)),
                             _mm_loadu_si128((const void *)(p + (i + 4) * row_bytes)));
  __m256i low[2] = {_mm256_unpacklo_epi32(r[0], r[1]), _mm256_unpacklo_epi32(r[2], r[3])};
  __m256i high[2] = {_mm256_unpackhi_epi32(r[0], r[1]), _mm256_unpackhi_epi32(r[2], r[3])};
  out[0] = _mm256_unpacklo_epi64(low[0], low[1]);
  out[1] = _mm256_unpackhi_epi64(low[0], low[1]);
  out[2] = _mm256_unpacklo_epi64(high[0], high[1]);
  out[3] = _mm256_unpackhi_epi64(high[0], high[1]);
}

static inline __m256i each(const void *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

static inline void unpack(panel *p, const bytes *w, size_t row_bytes) {
  const __m256i offset = _mm256_set1_epi8((char)0x80);
  for (size_t b = 0; b < BLOCKS; b++, w += sizeof(gm_block_q8_0)) {
    uint16_t d[COLUMNS];
    for (size_t j = 0; j < COLUMNS; j++) memcpy(&d[j], w + j * row_bytes, 2);
    p->d[b] = _mm256_cvtph_ps(_mm_loadu_si128((const void *)d));
    load_columns(p->q[b], w + 2, row_bytes);
    load_columns(p->q[b] + 4, w + 18, row_bytes);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) p->q[b][i] = _mm256_xor_si256(p->q[b][i], offset);
  }
}

static inline void begin_row(row *r, const panel *p, const bytes *chunk) {
  const __m256i zero = _mm256_setzero_si256(), offset = _mm256_set1_epi8((char)0x80);
#pragma GCC unroll 8
  for (size_t b = 0; b < BLOCKS; b++) {
    __m256i v = _mm256_loadu_si256((const void *)gm_x_q(chunk, 1, b, 0));
    __m256i sums = _mm256_sub_epi32(zero, gm_dot4_avxvnni(zero, offset, v));
    _mm256_storeu_si256((void *)r->begin[b], sums);
    r->factor[b] = _mm256_mul_ps(p->d[b], _mm256_set1_ps(gm_x32_d(chunk, 1)[b]));
  }
}

/* Two lanes: four bytes each, from byte 8 i on, of the even or the odd blocks of a chunk, with
 * m rows of x. */
static inline void add_lanes(__m256 (*sum)[2], const panel *p, const row *rows, const bytes *x,
                             size_t x_row, size_t m, size_t odd, size_t i) {
  __m256i q[4][2];
#pragma GCC unroll 4
  for (size_t b = 0; b < 4; b++) {
    q[b][0] = p->q[2 * b + odd][2 * i];
    q[b][1] = p->q[2 * b + odd][2 * i + 1];
  }
  x += 32 * odd + 8 * i;
  for (size_t r = 0; r < m; r++, x += x_row) {
    __m256 low = sum[r][0], high = sum[r][1];
#pragma GCC unroll 4
    for (size_t b = 0; b < 4; b++) {
      const int32_t *begin = &rows[r].begin[2 * b + odd][2 * i];
      __m256 f = rows[r].factor[2 * b + odd];
      __m256i first = gm_dot4_avxvnni(each(begin), q[b][0], each(x + 64 * b));
      __m256i next = gm_dot4_avxvnni(each(begin + 1), q[b][1], each(x + 64 * b + 4));
      low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(first), f, low);
      high = _mm256_fmadd_ps(_mm256_cvtepi32_ps(next), f, high);
    }
    sum[r][0] = low, sum[r][1] = high;
  }
}

/* `ahead` bytes of each of the next 8 rows of w are asked for between the lanes: all at once
 * they would keep the loads that follow waiting. */
static inline void add_panel(row_sums *sums, const panel *p, const bytes *x, size_t x_row,
                             size_t m, const bytes *w, size_t row_bytes, size_t ahead) {
  row rows[ROWS];
  for (size_t r = 0; r < m; r++) begin_row(&rows[r], p, x + r * x_row);
  for (size_t l = 0; l < 8; l++) {
    gm_prefetch(w + l * row_bytes, ahead, COLUMNS * row_bytes);
    add_lanes(sums->lane[l], p, rows, x, x_row, m, l / 4, l % 4);
  }
}

/* In the order of gm_sum8_avx2. */
static inline void store(float *y, const row_sums *sums, size_t r) {
  __m256 s[8];
#pragma GCC unroll 8
  for (size_t l = 0; l < 8; l++)
    s[l] = _mm256_add_ps(sums->lane[l / 2][r][l % 2], sums->lane[4 + l / 2][r][l % 2]);
  __m256 even = _mm256_add_ps(_mm256_add_ps(s[0], s[4]), _mm256_add_ps(s[2], s[6]));
  __m256 odd = _mm256_add_ps(_mm256_add_ps(s[1], s[5]), _mm256_add_ps(s[3], s[7]));
  _mm256_storeu_ps(y, _mm256_add_ps(even, odd));
}

void gm_columns_q8_0_avxvnni(float *y, size_t ldy, const void *x, size_t m, const void *w,
                             size_t row_bytes, size_t n, size_t k) {
  assert(m <= GM_GEMV_ROWS && n % COLUMNS == 0 && k % GM_X_CHUNK == 0);
  size_t chunks = k / GM_X_CHUNK, x_row = chunks * GM_X32_BYTES;
  const size_t chunk_bytes = BLOCKS * sizeof(gm_block_q8_0);
  const bytes *rows = w;
  row_sums sums[GM_GEMV_ROWS / ROWS];
  panel p;
  for (size_t j = 0; j < n; j += COLUMNS, rows += COLUMNS * row_bytes) {
    memset(sums, 0, (m + ROWS - 1) / ROWS * sizeof sums[0]);
    for (size_t c = 0; c < chunks; c++) {
      const bytes *in = rows + c * chunk_bytes;
      unpack(&p, in, row_bytes);
      for (size_t r = 0; r < m; r += ROWS)
        add_panel(&sums[r / ROWS], &p, (const bytes *)x + r * x_row + c * GM_X32_BYTES, x_row,
                  m - r < ROWS ? m - r : ROWS, in, row_bytes, r == 0 ? chunk_bytes : 0);
    }
    for (size_t r = 0; r < m; r++) store(y + r * ldy + j, &sums[r / ROWS], r % ROWS);
  }
}
