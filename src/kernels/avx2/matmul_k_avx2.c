/* matmul_k_avx2.c - AVX2: products with Q4_K weights and int8 activations, and of few rows with
 * Q6_K; those of many rows are in matmul_quads_avx2.c.
 *
 * The weights are stored unsigned. Products of Q4_K's half bytes are summed in 16 bits over a
 * whole sub-block of 32 (16 products of 15 * 127 are below 2^15); vpmaddwd then widens the sums
 * and multiplies them by the sub-block's scale in one. Q6_K's offset of 32 and Q4_K's minima
 * are small products with the activations' sums.
 *
 * Panel of 16 rows of w, per block of 256 elements: bytes [64][16][4] (element / 4, row,
 * element % 4); then
 *   Q4_K: int16 scale [8][16][2] (the same value twice), int16 min [4][16][2] (two neighbours),
 *         float d[16], float dmin[16]
 *   Q6_K: int16 scale [16][16][2] (the same value twice), int16 scale [8][16][2] (two
 *         neighbours), float d[16]; for AVX-VNNI */
#include "activations.h"
#include "avx2/kernels_avx2.h"
#include "avx2/quants_avx2.h"
#include "avx2/transpose_avx2.h"
#include "k_scales.h"
#include "prefetch.h"

#include <assert.h>

enum { MR = 4, NR = 16, Q4_K_BYTES = 312, Q6_K_BYTES = 356 };

typedef unsigned char bytes;

static inline __m256i load(const void *p) {
  return _mm256_loadu_si256(p);
}

static inline void store(void *p, __m256i v) {
  _mm256_storeu_si256(p, v);
}

static inline __m256i broadcast4(const void *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/* Elements 32 b .. 32 b + 31 of a block. */
typedef __m256i (*load_fn)(const bytes *block, size_t b);

static inline __attribute__((always_inline)) void
pack_quants(bytes *panel, const bytes *w, size_t row_bytes, size_t rows, load_fn load_block) {
#pragma GCC unroll 8
  for (size_t b = 0; b < 8; b++)
    for (size_t side = 0; side < NR; side += 8) {
      __m256 r[8];
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; j++)
        r[j] = side + j < rows ? _mm256_castsi256_ps(load_block(w + (side + j) * row_bytes, b))
                               : _mm256_setzero_ps();
      gm_transpose8_avx2(r);
      float *out = (float *)(void *)panel + (b * 8 * NR + side);
#pragma GCC unroll 8
      for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(out + i * NR, r[i]);
    }
}

void gm_pack_w_q4_k_avx2(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  assert(rows <= NR && k % 256 == 0);
  bytes *out = panel;
  const bytes *in = w;
  for (size_t at = 0; at < k; at += 256, out += NR * Q4_K_BYTES, in += sizeof(gm_block_q4_k)) {
    pack_quants(out, in, row_bytes, rows, gm_q4_k_quants_avx2);
    int16_t *scale = (int16_t *)(void *)(out + 256 * NR);
    int16_t *min = (int16_t *)(void *)(out + 288 * NR);
    float *d = (float *)(void *)(out + 304 * NR);
    if (rows < NR) memset(scale, 0, (Q4_K_BYTES - 256) * NR);
    for (size_t j = 0; j < rows; j++) {
      const gm_block_q4_k *block = (const gm_block_q4_k *)(const void *)(in + j * row_bytes);
      uint8_t s[8], m[8];
      gm_q4_k_scales(s, m, block->scales);
      d[j] = _cvtsh_ss(block->d);
      d[NR + j] = _cvtsh_ss(block->dmin);
#pragma GCC unroll 8
      for (size_t i = 0; i < 8; i++) {
        scale[(i * NR + j) * 2] = scale[(i * NR + j) * 2 + 1] = s[i];
        min[(i / 2 * NR + j) * 2 + i % 2] = m[i];
      }
    }
  }
}

void gm_pack_w_q6_k_avx2(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  assert(rows <= NR && k % 256 == 0);
  bytes *out = panel;
  const bytes *in = w;
  for (size_t at = 0; at < k; at += 256, out += NR * Q6_K_BYTES, in += sizeof(gm_block_q6_k)) {
    pack_quants(out, in, row_bytes, rows, gm_q6_k_quants_avx2);
    int16_t *scale = (int16_t *)(void *)(out + 256 * NR);
    int16_t *pairs = (int16_t *)(void *)(out + 320 * NR);
    float *d = (float *)(void *)(out + 352 * NR);
    if (rows < NR) memset(scale, 0, (Q6_K_BYTES - 256) * NR);
    for (size_t j = 0; j < rows; j++) {
      const gm_block_q6_k *block = (const gm_block_q6_k *)(const void *)(in + j * row_bytes);
      d[j] = _cvtsh_ss(block->d);
#pragma GCC unroll 16
      for (size_t i = 0; i < 16; i++) {
        scale[(i * NR + j) * 2] = scale[(i * NR + j) * 2 + 1] = block->scales[i];
        pairs[(i / 2 * NR + j) * 2 + i % 2] = block->scales[i];
      }
    }
  }
}

/* dot = `n` pairs of 16-bit factors of 16 rows of w times those of MR rows of activations. */
static inline __attribute__((always_inline)) void
dot_pairs(__m256i dot[MR][2], const int16_t *w, const int16_t *x, size_t n) {
#pragma GCC unroll 4
  for (size_t r = 0; r < MR; r++) dot[r][0] = dot[r][1] = _mm256_setzero_si256();
  for (size_t i = 0; i < n; i++) {
    __m256i w0 = load(w + i * NR * 2), w1 = load(w + i * NR * 2 + 16);
#pragma GCC unroll 4
    for (size_t r = 0; r < MR; r++) {
      __m256i t = broadcast4(x + (i * MR + r) * 2);
      dot[r][0] = _mm256_add_epi32(dot[r][0], _mm256_madd_epi16(w0, t));
      dot[r][1] = _mm256_add_epi32(dot[r][1], _mm256_madd_epi16(w1, t));
    }
  }
}

static void tile_q4_k(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const bytes *a = x, *w = panel;
  if (first) memset(acc, 0, MR * NR * sizeof(float));
  for (size_t at = 0; at < k; at += 256, a += MR * GM_XK_BYTES, w += NR * Q4_K_BYTES) {
    const int16_t *scale = (const int16_t *)(const void *)(w + 256 * NR);
    const float *dw = (const float *)(const void *)(w + 304 * NR), *dx = gm_xk_d(a, MR);
    __m256i min[MR][2], dot[MR][2];
    dot_pairs(min, (const int16_t *)(const void *)(w + 288 * NR), gm_xk_s32(a, MR), 4);
#pragma GCC unroll 4
    for (size_t r = 0; r < MR; r++) dot[r][0] = dot[r][1] = _mm256_setzero_si256();
    for (size_t b = 0; b < 8; b++) {
      const bytes *q = w + b * 8 * NR * 4;
      const int8_t *v = gm_xk_q(a, MR, b, 0);
      __m256i sum[MR][2];
#pragma GCC unroll 4
      for (size_t r = 0; r < MR; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (size_t g = 0; g < 8; g++) {
        __m256i w0 = load(q + g * NR * 4), w1 = load(q + g * NR * 4 + 32);
#pragma GCC unroll 4
        for (size_t r = 0; r < MR; r++) {
          __m256i t = broadcast4(v + r * 32 + g * 4);
          sum[r][0] = gm_keep_avx2(_mm256_add_epi16(sum[r][0], _mm256_maddubs_epi16(w0, t)));
          sum[r][1] = gm_keep_avx2(_mm256_add_epi16(sum[r][1], _mm256_maddubs_epi16(w1, t)));
        }
      }
      __m256i s0 = load(scale + b * NR * 2), s1 = load(scale + b * NR * 2 + 16);
#pragma GCC unroll 4
      for (size_t r = 0; r < MR; r++) {
        dot[r][0] = _mm256_add_epi32(dot[r][0], _mm256_madd_epi16(sum[r][0], s0));
        dot[r][1] = _mm256_add_epi32(dot[r][1], _mm256_madd_epi16(sum[r][1], s1));
      }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < 2 * MR; i++) {
      float *out = acc + i / 2 * NR + i % 2 * 8;
      __m256 d = _mm256_loadu_ps(dw + i % 2 * 8), dmin = _mm256_loadu_ps(dw + NR + i % 2 * 8);
      __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(dot[i / 2][i % 2]), d);
      v = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(min[i / 2][i % 2]), dmin, v);
      v = _mm256_fmadd_ps(v, _mm256_set1_ps(dx[i / 2]), _mm256_loadu_ps(out));
      _mm256_storeu_ps(out, v);
    }
  }
}

static inline __m128i load16(const void *p) {
  return _mm_loadu_si128((const __m128i *)p);
}

/* The sums of two rows' eight lanes as four lanes of each. */
static inline __m256i fold(__m256i first, __m256i second) {
  return _mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x21),
                          _mm256_blend_epi32(first, second, 0xF0));
}

static inline float sum4(__m128 s) {
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* y of W rows of w from the folded sums of its pairs. */
static inline __attribute__((always_inline)) void store_sums(size_t W, float *y,
                                                             const __m256 sum[2]) {
  y[0] = sum4(_mm256_castps256_ps128(sum[0]));
  if (W == 1) return;
  y[1] = sum4(_mm256_extractf128_ps(sum[0], 1));
  if (W == 2) return;
  y[2] = sum4(_mm256_castps256_ps128(sum[1]));
  y[3] = sum4(_mm256_extractf128_ps(sum[1], 1));
}

/* ---- Q4_K, few rows
 *
 * Rows of w go in pairs, whose scales are unpacked together and whose sums share a vector at
 * the end of a block: the first row's in its low half, the second's in its high half. With a
 * single row (W = 1) the high half is unused. */

static inline const gm_block_q4_k *block_q4_k(const bytes *w, size_t row_bytes, size_t j) {
  return (const gm_block_q4_k *)(const void *)(w + j * row_bytes);
}

/* Eight scales, then eight minima of two blocks as bytes, each in 128 bits: gm_q4_k_scales in
 * vectors. */
static inline __m256i scales_q4_k(const gm_block_q4_k *first, const gm_block_q4_k *second) {
  __m256i packed = _mm256_setr_m128i(load16(first->scales), load16(second->scales));
  __m256i low = _mm256_shuffle_epi32(packed, _MM_SHUFFLE(2, 1, 2, 0));
  __m256i high = _mm256_shuffle_epi32(packed, _MM_SHUFFLE(1, 1, 0, 0));
  low = _mm256_srlv_epi32(low, _mm256_setr_epi32(0, 0, 0, 4, 0, 0, 0, 4));
  low = _mm256_and_si256(low, _mm256_set1_epi64x(0x0F0F0F0F3F3F3F3F));
  high = _mm256_and_si256(_mm256_srli_epi32(high, 2), _mm256_set1_epi64x(0x3030303000000000));
  return _mm256_or_si256(low, high);
}

/* d and dmin of W blocks: of rows 0 and 2 in the low half, of 1 and 3 in the high half. */
static inline __attribute__((always_inline)) __m256 steps_q4_k(size_t W, const bytes *w,
                                                               size_t row_bytes) {
  int32_t halves[4] = {0};
#pragma GCC unroll 4
  for (size_t j = 0; j < W; j++) memcpy(&halves[j], &block_q4_k(w, row_bytes, j)->d, 4);
  return _mm256_cvtph_ps(_mm_setr_epi32(halves[0], halves[2], halves[1], halves[3]));
}

/* W rows of w (1, 2 or 4) with R rows of x. */
static inline __attribute__((always_inline)) void gemv_rows_q4_k(size_t W, size_t R, float *y,
                                                                 size_t ldy, const bytes *x,
                                                                 const bytes *w,
                                                                 size_t row_bytes, size_t k) {
  const __m256i low = _mm256_set1_epi8(15);
  size_t x_row = k / 256 * GM_XK_BYTES, in_pair = W > 1 ? 2 : 1;
  __m256 sum[4][2];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  for (size_t at = 0; at < k; at += 256, x += GM_XK_BYTES, w += sizeof(gm_block_q4_k)) {
    __m256 steps = steps_q4_k(W, w, row_bytes), step[4];
    __m256i dot[4][4];
    /* Each scale twice as words, in memory: a load that spreads it costs no arithmetic. */
    int32_t spread[2][2][8];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++)
      step[r] = _mm256_mul_ps(steps, _mm256_set1_ps(gm_xk_d(x + r * x_row, 1)[0]));
#pragma GCC unroll 2
    for (size_t j = 0; j < W; j += 2) {
      __m256i scales =
          scales_q4_k(block_q4_k(w, row_bytes, j), block_q4_k(w, row_bytes, j + in_pair - 1));
      __m256i minima = _mm256_unpackhi_epi8(scales, _mm256_setzero_si256());
      __m256i words = _mm256_unpacklo_epi8(scales, _mm256_setzero_si256());
      store(spread[j / 2][0], _mm256_unpacklo_epi16(words, words));
      store(spread[j / 2][1], _mm256_unpackhi_epi16(words, words));
#pragma GCC unroll 4
      for (size_t r = 0; r < R; r++) {
        __m256i s = _mm256_broadcastsi128_si256(load16(gm_xk_s32(x + r * x_row, 1)));
        __m256 minus = _mm256_cvtepi32_ps(_mm256_madd_epi16(minima, s));
        __m256 d = j == 0 ? _mm256_permute_ps(step[r], 0x55) : _mm256_permute_ps(step[r], 0xFF);
        sum[r][j / 2] = _mm256_fnmadd_ps(minus, d, sum[r][j / 2]);
      }
    }
    __asm__("" : "+m"(spread)); /* without this gcc takes the scales from registers */
#pragma GCC unroll 4
    for (size_t j = 0; j < W; j++) {
      gm_prefetch(block_q4_k(w, row_bytes, j), sizeof(gm_block_q4_k),
                  W > 1 ? W * row_bytes : GM_PREFETCH_AHEAD);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; r++) dot[r][j] = _mm256_setzero_si256();
    }
#pragma GCC unroll 4
    for (size_t b = 0; b < 8; b += 2)
#pragma GCC unroll 4
      for (size_t j = 0; j < W; j++) {
        __m256i both = gm_keep_avx2(load(block_q4_k(w, row_bytes, j)->qs + b * 16));
        __m256i q0 = _mm256_and_si256(both, low);
        __m256i q1 = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
        const int32_t *s = spread[j / 2][b / 4] + j % 2 * 4 + b % 4;
        __m256i s0 = _mm256_set1_epi32(s[0]), s1 = _mm256_set1_epi32(s[1]);
#pragma GCC unroll 4
        for (size_t r = 0; r < R; r++) {
          __m256i x0 = load(gm_xk_q(x + r * x_row, 1, b, 0));
          __m256i x1 = load(gm_xk_q(x + r * x_row, 1, b + 1, 0));
          x0 = _mm256_madd_epi16(_mm256_maddubs_epi16(q0, x0), s0);
          x1 = _mm256_madd_epi16(_mm256_maddubs_epi16(q1, x1), s1);
          dot[r][j] = _mm256_add_epi32(dot[r][j], x0);
          dot[r][j] = gm_keep_avx2(_mm256_add_epi32(dot[r][j], x1));
        }
      }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++)
#pragma GCC unroll 2
      for (size_t j = 0; j < W; j += 2) {
        __m256 d = j == 0 ? _mm256_permute_ps(step[r], 0x00) : _mm256_permute_ps(step[r], 0xAA);
        __m256i two = fold(dot[r][j], dot[r][j + in_pair - 1]);
        sum[r][j / 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(two), d, sum[r][j / 2]);
      }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) store_sums(W, y + r * ldy, sum[r]);
}

/* R rows of x with all rows of w, W of them at a time. */
static inline __attribute__((always_inline)) void
gemv_all_q4_k(size_t W, size_t R, float *y, size_t ldy, const bytes *x, const bytes *w,
              size_t row_bytes, size_t n, size_t k) {
  size_t j = 0;
  for (; j + W <= n; j += W)
    gemv_rows_q4_k(W, R, y + j, ldy, x, w + j * row_bytes, row_bytes, k);
  for (; j < n; j++) gemv_rows_q4_k(1, R, y + j, ldy, x, w + j * row_bytes, row_bytes, k);
}

void gm_gemv_q4_k_avx2(float *y, size_t ldy, const void *x, size_t m, const void *w,
                       size_t row_bytes, size_t n, size_t k) {
  assert(m <= GM_GEMV_ROWS && k % 256 == 0);
  const bytes *in = x;
  size_t x_row = k / 256 * GM_XK_BYTES;
  for (; m >= 4; m -= 4, in += 4 * x_row, y += 4 * ldy)
    gemv_all_q4_k(2, 4, y, ldy, in, w, row_bytes, n, k);
  for (; m >= 1; m--, in += x_row, y += ldy)
    gemv_all_q4_k(4, 1, y, ldy, in, w, row_bytes, n, k);
}

/* ---- Q6_K, few rows */

static inline __attribute__((always_inline)) void
gemv_row_q6_k(size_t R, float *y, size_t ldy, const bytes *x, const bytes *w, size_t k) {
  size_t x_row = k / 256 * GM_XK_BYTES;
  __m256 sum[4];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) sum[r] = _mm256_setzero_ps();
  for (size_t at = 0; at < k; at += 256, x += GM_XK_BYTES, w += sizeof(gm_block_q6_k)) {
    const gm_block_q6_k *block = (const gm_block_q6_k *)(const void *)w;
    gm_prefetch_ahead(w, sizeof *block);
    __m256i scale =
        _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)block->scales));
    __m256i low = _mm256_permute2x128_si256(scale, scale, 0x00);
    __m256i high = _mm256_permute2x128_si256(scale, scale, 0x11), dot[4];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
      __m256i offset = _mm256_madd_epi16(scale, load(gm_xk_s16(x + r * x_row, 1)));
      dot[r] = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(offset, 5));
    }
#pragma GCC unroll 8
    for (size_t b = 0; b < 8; b++) {
      /* Scales of elements 0..15 and 16..31, one in each half. */
      short first = (short)(0x0100 + 0x0404 * (int)(b % 4));
      __m256i at16 =
          _mm256_setr_m128i(_mm_set1_epi16(first), _mm_set1_epi16((short)(first + 0x0202)));
      __m256i q = gm_q6_k_quants_avx2(w, b), s = _mm256_shuffle_epi8(b < 4 ? low : high, at16);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; r++) {
        __m256i pairs = _mm256_maddubs_epi16(q, load(gm_xk_q(x + r * x_row, 1, b, 0)));
        dot[r] = _mm256_add_epi32(dot[r], _mm256_madd_epi16(pairs, s));
      }
    }
    float d = _cvtsh_ss(block->d);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
      float dx = gm_xk_d(x + r * x_row, 1)[0];
      sum[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[r]), _mm256_set1_ps(d * dx), sum[r]);
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) y[r * ldy] = gm_sum8_avx2(sum[r]);
}

void gm_gemv_q6_k_avx2(float *y, size_t ldy, const void *x, size_t m, const void *w,
                       size_t row_bytes, size_t n, size_t k) {
  assert(m <= GM_GEMV_ROWS && k % 256 == 0);
  const bytes *in = x, *rows = w;
  size_t x_row = k / 256 * GM_XK_BYTES;
  for (; m >= 4; m -= 4, in += 4 * x_row, y += 4 * ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q6_k(4, y + j, ldy, in, rows + j * row_bytes, k);
  for (; m >= 1; m--, in += x_row, y += ldy)
    for (size_t j = 0; j < n; j++) gemv_row_q6_k(1, y + j, ldy, in, rows + j * row_bytes, k);
}

const gm_matmul gm_matmul_q4_k_avx2 = {
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
