/* matmul_quads_avx2.c - AVX2: products of many rows with Q8_0 and Q6_K weights; those of few
 * rows are in matmul_q32_ and matmul_k_avx2.c.
 *
 * vpmaddubsw multiplies unsigned by signed bytes and adds two neighbours in 16 bits,
 * saturating. Widening each such sum would cost as much again. So, while a panel is unpacked,
 * each 8 weights are brought to a step at which, among four of them, those of one sign add up
 * to 128 at most. With activations of 255 at most, the products of four stay below 2^15. One
 * vpmaddwd then widens two of these sums and multiplies them by the step, in units of the
 * chunk's largest step / 1023; 32 times 2 * 2^15 * 1023 stays below 2^31. So 8 elements cost
 * five instructions. docs/SPEED-LOG.md says what the rounding changes.
 *
 * Activations are bytes to which 128 was added; what that adds to the sums is known when the
 * panel is made, so the sums begin at minus that.
 *
 * Panel of 16 rows of w, per chunk of 256 elements: bytes [64][16][4] (element / 4, row,
 * element % 4), int16 step [32][16][2] (the same value twice), int32 begin[16], float d[16].
 * The sums of four are of elements 8 i + {0, 1, 4, 5} and {2, 3, 6, 7}. */
#include "activations_tile.h"
#include "avx2/kernels_avx2.h"
#include "avx2/quants_avx2.h"
#include "avx2/top_avx2.h"
#include "avx2/transpose_avx2.h"

#include <assert.h>
#include <string.h>

enum { MR = 4, NR = 16, W_BYTES = 392, GROUPS = GM_X_CHUNK / 8, TOP_STEP = 1023 };

typedef unsigned char bytes;

static inline __m256i load(const void *p) {
  return _mm256_loadu_si256(p);
}

static inline __m256i broadcast4(const void *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

/* ---- 32 weights to one step ------------------------------------------------------------- */

/* 32 weights are scale * word; magnitudes of words are below 2^13, so that four fit 16 bits. */
typedef struct part {
  __m256i low, high;
  float scale;
} part;

/* Part b of a chunk that begins at w. */
typedef part (*load_fn)(const bytes *w, size_t b);

static inline part part_q8_0(const bytes *w, size_t b) {
  const gm_block_q8_0 *block = (const gm_block_q8_0 *)(const void *)w + b;
  __m256i q = load(block->qs);
  return (part){_mm256_cvtepi8_epi16(_mm256_castsi256_si128(q)),
                _mm256_cvtepi8_epi16(_mm256_extracti128_si256(q, 1)), _cvtsh_ss(block->d)};
}

static inline part part_q6_k(const bytes *w, size_t b) {
  const gm_block_q6_k *block = (const gm_block_q6_k *)(const void *)w;
  const __m256i offset = _mm256_set1_epi16(32);
  __m256i q = gm_q6_k_quants_avx2(w, b);
  __m256i low = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(q));
  __m256i high = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(q, 1));
  low = _mm256_mullo_epi16(_mm256_sub_epi16(low, offset),
                           _mm256_set1_epi16(block->scales[2 * b]));
  high = _mm256_mullo_epi16(_mm256_sub_epi16(high, offset),
                            _mm256_set1_epi16(block->scales[2 * b + 1]));
  return (part){low, high, _cvtsh_ss(block->d)};
}

/* The sums of four words of one sign: of positive ones, and of negative ones as magnitudes. */
static inline __m256i sums_of_four(__m256i words) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i above = _mm256_max_epi16(words, _mm256_setzero_si256());
  __m256i below = _mm256_sub_epi16(above, words);
  __m256i pairs =
      _mm256_packs_epi32(_mm256_madd_epi16(above, ones), _mm256_madd_epi16(below, ones));
  return _mm256_add_epi16(pairs, _mm256_shuffle_epi32(pairs, 0xB1));
}

/* The largest of them, of each 8 words. */
static inline void largest_sums(int32_t out[2], __m256i words) {
  __m256i sums = sums_of_four(words);
  sums = _mm256_max_epi16(sums, _mm256_shuffle_epi32(sums, 0x4E));
  sums = _mm256_max_epi16(sums, _mm256_slli_epi32(sums, 16));
  sums = _mm256_srli_epi32(sums, 16);
  out[0] = _mm256_extract_epi32(sums, 0);
  out[1] = _mm256_extract_epi32(sums, 4);
}

/* A row of a chunk of w on its way to a panel. */
typedef struct row {
  int16_t words[GM_X_CHUNK];
  int32_t factor[GROUPS]; /* of 8 words, times 2^15: brings them to bytes; below 1 */
  int32_t steps[GROUPS];  /* twice in 16 bits */
} row;

/* Eight groups' steps and factors, from scales of their words and the steps that they want. */
static inline void fill_steps(row *r, size_t at, __m256 scales, __m256 wanted, float unit,
                              float per_unit) {
  wanted = _mm256_mul_ps(wanted, _mm256_set1_ps(per_unit));
  wanted = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), wanted);
  wanted = _mm256_round_ps(wanted, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
  /* NaN converts to the least integer. */
  __m256i step = _mm256_max_epi32(_mm256_cvtps_epi32(wanted), _mm256_setzero_si256());
  step = _mm256_min_epi32(step, _mm256_set1_epi32(TOP_STEP));
  __m256 size = _mm256_mul_ps(_mm256_cvtepi32_ps(step), _mm256_set1_ps(unit));
  __m256 factor = _mm256_mul_ps(_mm256_div_ps(scales, size), _mm256_set1_ps(32768));
  _mm256_storeu_si256((void *)(r->factor + at), _mm256_cvtps_epi32(factor));
  step = _mm256_or_si256(step, _mm256_slli_epi32(step, 16));
  _mm256_storeu_si256((void *)(r->steps + at), step);
}

/* Reads `parts` times 32 elements; returns the unit of steps. */
static inline __attribute__((always_inline)) float begin_row(row *r, const bytes *w,
                                                             size_t parts, load_fn load_part) {
  float scales[GROUPS] = {0}, wanted[GROUPS] = {0};
  __m256i tops = _mm256_setzero_si256();
  for (size_t b = 0; b < parts; b++) {
    part p = load_part(w, b);
    int32_t sums[4];
    largest_sums(sums, p.low);
    largest_sums(sums + 2, p.high);
    _mm256_storeu_si256((void *)(r->words + 32 * b), p.low);
    _mm256_storeu_si256((void *)(r->words + 32 * b + 16), p.high);
    /* 125.5: rounding adds up to half a step to each of four, and a bit by 16-bit factors. A
     * step is never finer than the words are. */
    __m128i most = _mm_max_epi32(_mm_loadu_si128((const void *)sums), _mm_set1_epi32(127));
    __m128 scale = _mm_set1_ps(p.scale);
    __m128 want = _mm_mul_ps(_mm_cvtepi32_ps(most), _mm_set1_ps(p.scale * (1 / 125.5f)));
    _mm_storeu_ps(scales + 4 * b, scale);
    _mm_storeu_ps(wanted + 4 * b, want);
  }
  for (size_t i = 0; i < GROUPS; i += 8)
    tops = gm_top_bits_avx2(tops, _mm256_loadu_ps(wanted + i));
  float top = gm_top_avx2(tops), unit = top * (1.0f / TOP_STEP),
        per = top > 0 ? TOP_STEP / top : 0;
  for (size_t i = 0; i < 4 * parts; i += 8)
    fill_steps(r, i, _mm256_loadu_ps(scales + i), _mm256_loadu_ps(wanted + i), unit, per);
  return unit;
}

/* Factors of two groups of 8 words. */
static inline __m256i factors(const int32_t factor[2]) {
  return _mm256_setr_m128i(_mm_set1_epi16((short)factor[0]), _mm_set1_epi16((short)factor[1]));
}

/* Part b as bytes. */
static inline __m256i bytes_of(const row *r, size_t b) {
  __m256i low = load(r->words + 32 * b), high = load(r->words + 32 * b + 16);
  low = _mm256_mulhrs_epi16(low, factors(r->factor + 4 * b));
  high = _mm256_mulhrs_epi16(high, factors(r->factor + 4 * b + 2));
  return _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xD8);
}

/* Eight rows of a chunk, at the first of their columns. */
static inline __attribute__((always_inline)) void
pack_side(bytes *quants, int16_t *steps, int32_t *begin, float *d, const bytes *w,
          size_t row_bytes, size_t chunk_bytes, size_t rows, size_t parts, load_fn load_part) {
  row r[8];
  for (size_t j = 0; j < 8; j++) {
    const bytes *in = w + j * row_bytes;
    if (j < rows) {
      d[j] = begin_row(&r[j], in, parts, load_part);
      /* The processor does not recognise so many streams at once by itself. */
      for (size_t i = 0; i < chunk_bytes; i += 64)
        __builtin_prefetch((const void *)((uintptr_t)in + chunk_bytes + i));
    } else {
      memset(&r[j], 0, sizeof r[j]);
      d[j] = 0.0f;
    }
  }
  __m256i all = _mm256_setzero_si256();
  for (size_t b = 0; b < parts; b++) {
    __m256 q[8], step[8];
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; j++) {
      q[j] = _mm256_castsi256_ps(bytes_of(&r[j], b));
      step[j] = _mm256_castsi256_ps(load(r[j].steps + b / 2 * 8));
    }
    gm_transpose8_avx2(q);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
      _mm256_storeu_ps((float *)(void *)(quants + (b * 8 + i) * NR * 4), q[i]);
    gm_transpose8_avx2(step);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
      const __m256i ones = _mm256_set1_epi8(1);
      __m256i s = _mm256_castps_si256(b % 2 == 0 ? step[i] : step[4 + i]);
      __m256i sum =
          _mm256_add_epi16(_mm256_maddubs_epi16(ones, _mm256_castps_si256(q[2 * i])),
                           _mm256_maddubs_epi16(ones, _mm256_castps_si256(q[2 * i + 1])));
      _mm256_storeu_si256((void *)(steps + (b * 4 + i) * NR * 2), s);
      all = _mm256_add_epi32(all, _mm256_madd_epi16(sum, s));
    }
  }
  all = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(all, 7));
  _mm256_storeu_si256((void *)begin, all);
}

static inline __attribute__((always_inline)) void pack_w(bytes *panel, const bytes *w,
                                                         size_t row_bytes, size_t rows,
                                                         size_t k, size_t chunk_bytes,
                                                         load_fn load_part) {
  assert(rows <= NR && k % 32 == 0);
  for (size_t at = 0; at < k; at += GM_X_CHUNK, panel += NR * W_BYTES, w += chunk_bytes) {
    size_t parts = gm_x_blocks(k, at);
    int16_t *steps = (int16_t *)(void *)(panel + 256 * NR);
    int32_t *begin = (int32_t *)(void *)(panel + 384 * NR);
    float *d = (float *)(void *)(panel + 388 * NR);
    for (size_t side = 0; side < NR; side += 8)
      pack_side(panel + side * 4, steps + side * 2, begin + side, d + side,
                w + side * row_bytes, row_bytes, chunk_bytes, rows > side ? rows - side : 0,
                parts, load_part);
  }
}

static void pack_w_q8_0(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, 8 * sizeof(gm_block_q8_0), part_q8_0);
}

static void pack_w_q6_k(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, sizeof(gm_block_q6_k), part_q6_k);
}

/* ---- activations ------------------------------------------------------------------------ */

/* 8 values as integers. */
static inline __m256i round8(const float *x, __m256 inverse) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse));
}

/* One row of a chunk, for row r of `group`. */
static inline void pack_xu_row(bytes *chunk, const float *x, size_t blocks, size_t r,
                               size_t group) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  __m256i low = _mm256_setzero_si256(), high = low;
  for (size_t i = 0; i < 32 * blocks; i += 16) {
    low = gm_top_bits_avx2(low, _mm256_loadu_ps(x + i));
    high = gm_top_bits_avx2(high, _mm256_loadu_ps(x + i + 8));
  }
  float top = gm_top_avx2(_mm256_max_epi32(low, high));
  __m256 inverse = _mm256_set1_ps(gm_x_inverse(top, 127));
  for (size_t b = 0; b < blocks; b++) {
    const float *in = x + 32 * b;
    low = _mm256_packs_epi32(round8(in, inverse), round8(in + 8, inverse));
    high = _mm256_packs_epi32(round8(in + 16, inverse), round8(in + 24, inverse));
    /* NaN converts to the least integer. */
    __m256i q = _mm256_max_epi8(_mm256_packs_epi16(low, high), _mm256_set1_epi8(-127));
    q = _mm256_xor_si256(q, _mm256_set1_epi8((char)0x80));
    /* Packing works on halves: four bytes of each in turn, twice. */
    q = _mm256_permutevar8x32_epi32(q, order);
    _mm256_storeu_si256((void *)(chunk + (b * group + r) * 32), q);
  }
  ((float *)(void *)(chunk + 256 * group))[r] = gm_x_step(top, 127);
}

/* A tile as activations.h says. */
static void pack_xu(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                    size_t k) {
  gm_pack_tile(dst, x, ldx, rows, group, k, GM_XU_BYTES, pack_xu_row);
}

/* Few rows have their own form. */
static void pack_x32(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k) {
  (group == 1 ? gm_pack_x32_avx2 : pack_xu)(dst, x, ldx, rows, group, k);
}

static void pack_xk(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                    size_t k) {
  (group == 1 ? gm_pack_xk_avx2 : pack_xu)(dst, x, ldx, rows, group, k);
}

/* ---- the tile --------------------------------------------------------------------------- */

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  assert(k > 0 && k % 32 == 0);
  const bytes *a = x, *w = panel;
  for (size_t at = 0; at < k; at += GM_X_CHUNK, a += MR * GM_XU_BYTES, w += NR * W_BYTES) {
    const bytes *q = w, *v = a, *step = w + 256 * NR, *begin = w + 384 * NR;
    __m256i dot[MR][2];
#pragma GCC unroll 4
    for (size_t r = 0; r < MR; r++) dot[r][0] = load(begin), dot[r][1] = load(begin + 32);
    size_t b = gm_x_blocks(k, at);
    do { /* if the loop might not run at all, gcc keeps the sums in memory */
#pragma GCC unroll 4
      for (size_t g = 0; g < 4; g++) {
        const bytes *q8 = q + g * 8 * NR;
        __m256i w00 = load(q8), w01 = load(q8 + 32), w10 = load(q8 + 64), w11 = load(q8 + 96);
#pragma GCC unroll 4
        for (size_t r = 0; r < MR; r++) {
          __m256i t0 = broadcast4(v + r * 32 + g * 8), t1 = broadcast4(v + r * 32 + g * 8 + 4);
          __m256i s0 =
              _mm256_add_epi16(_mm256_maddubs_epi16(t0, w00), _mm256_maddubs_epi16(t1, w10));
          __m256i s1 =
              _mm256_add_epi16(_mm256_maddubs_epi16(t0, w01), _mm256_maddubs_epi16(t1, w11));
          s0 = _mm256_madd_epi16(s0, load(step + g * 4 * NR));
          s1 = _mm256_madd_epi16(s1, load(step + g * 4 * NR + 32));
          dot[r][0] = gm_keep_avx2(_mm256_add_epi32(dot[r][0], s0));
          dot[r][1] = gm_keep_avx2(_mm256_add_epi32(dot[r][1], s1));
        }
      }
      q += 32 * NR, v += MR * 32, step += 16 * NR;
    } while (--b > 0);
    const float *dx = (const float *)(const void *)(a + 256 * MR);
    const float *dw = (const float *)(const void *)(w + 388 * NR);
#pragma GCC unroll 8
    for (size_t i = 0; i < 2 * MR; i++) {
      float *out = acc + i / 2 * NR + i % 2 * 8;
      __m256 d = _mm256_mul_ps(_mm256_loadu_ps(dw + i % 2 * 8), _mm256_set1_ps(dx[i / 2]));
      __m256 sum = first && at == 0 ? _mm256_setzero_ps() : _mm256_loadu_ps(out);
      sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[i / 2][i % 2]), d, sum);
      _mm256_storeu_ps(out, sum);
    }
  }
}

const gm_matmul gm_matmul_q8_0_avx2 = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XU_BYTES,
    .w_chunk_bytes = W_BYTES,
    .pack_x = pack_x32,
    .pack_w = pack_w_q8_0,
    .tile = tile,
    .gemv = gm_gemv_q8_0_avx2,
    .form = GM_TILE_QUADS,
    .row_chunk_bytes = GM_X32_BYTES,
};
const gm_matmul gm_matmul_q6_k_avx2 = {
    .mr = MR,
    .nr = NR,
    .block = 256,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XU_BYTES,
    .w_chunk_bytes = W_BYTES,
    .pack_x = pack_xk,
    .pack_w = pack_w_q6_k,
    .tile = tile,
    .gemv = gm_gemv_q6_k_avx2,
    .form = GM_TILE_QUADS,
    .row_chunk_bytes = GM_XK_BYTES,
};
