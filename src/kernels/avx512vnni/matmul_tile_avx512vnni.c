/* matmul_tile_avx512vnni.c - AVX-512 VNNI: products of many rows with quantised weights, one
 * tile for all types; those of few rows are in matmul_q32_ and matmul_k_avx512vnni.c.
 *
 * While a panel is unpacked, 256 elements of a row of w are brought to one scale, as bytes. The
 * tile then multiplies by scales once in 256 elements instead of once in 16 or 32, and needs no
 * minima for Q4_K. docs/SPEED-LOG.md says what that changes. Activations have one scale per row
 * and 256 elements too. vpdpbusd multiplies unsigned by signed bytes: 128 is added to the
 * weights, and the activations' sums serve to subtract that again.
 *
 * Panel of 32 rows of w, per chunk of 256 elements: bytes [64][32][4] (element / 4, row,
 * element % 4), then float d[32]. */
#include "activations_tile.h"
#include "avx512/kernels_avx512.h"
#include "avx512/transpose_avx512.h"
#include "avx512vnni/k_blocks_avx512vnni.h"
#include "avx512vnni/kernels_avx512vnni.h"
#include "avx512vnni/pack_xt_avx512vnni.h"

#include <assert.h>
#include <string.h>

enum { MR = 12, NR = 32, W_BYTES = 260 };

typedef unsigned char bytes;

/* ---- 256 weights to one scale ----------------------------------------------------------- */

/* What a chunk's own scales become. */
typedef union factors {
  int16_t part[16];   /* times 2^15, of 32 elements, or of 16 for Q6_K */
  bytes level[8][16]; /* Q4_K: what each half byte stands for, in each 32 elements */
} factors;

/* A type's two steps. begin: the factors of a chunk of `blocks` times 32 elements; returns the
 * scale of all. load: elements 64 p .. 64 p + 63 as bytes to which 128 was added; zeros may
 * stand for the last 32 if !both. */
typedef float (*begin_fn)(factors *f, const bytes *w, size_t blocks);
typedef __m512i (*load_fn)(const factors *f, const bytes *w, size_t p, bool both);

/* Bytes of 8 - `up` bits times the 16-bit factors of the same elements, rounded, plus 128. They
 * are stored signed, or with an offset of half their range if `middle`. */
static inline __attribute__((always_inline)) __m512i rescale(__m512i v, __m512i factor, int up,
                                                             bool middle) {
  const __m512i high = _mm512_set1_epi16((short)(0xFF00U << up));
  const __m512i sign = _mm512_set1_epi16((short)(middle ? 0x8000U : 0));
  const __m512i half = _mm512_set1_epi16(0x80), upper = _mm512_set1_epi16((short)0xFF00U);
  /* Even and odd bytes each in the upper bits of a word. */
  __m512i even = _mm512_sllv_epi16(v, _mm512_set1_epi16((short)(8 + up)));
  __m512i odd = _mm512_sllv_epi16(v, _mm512_set1_epi16((short)up));
  even = _mm512_xor_si512(even, sign);
  odd = _mm512_ternarylogic_epi32(odd, high, sign, 0x6A); /* odd & high ^ sign */
  even = _mm512_adds_epi16(_mm512_mulhrs_epi16(even, factor), half);
  odd = _mm512_adds_epi16(_mm512_mulhrs_epi16(odd, factor), half);
  /* odd & upper | even >> 8 */
  v = _mm512_ternarylogic_epi32(odd, upper, _mm512_srli_epi16(even, 8), 0xEA);
  return _mm512_xor_si512(v, _mm512_set1_epi8((char)0x80));
}

/* The largest magnitude of a and b; NaN if one of them is (see top_avx512.h). */
static inline float top_of_both(__m256 a, __m256 b) {
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  __m256i top = _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(a), magnitude),
                                 _mm256_and_si256(_mm256_castps_si256(b), magnitude));
  __m128i t = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
  t = _mm_max_epi32(t, _mm_shuffle_epi32(t, 0x4E));
  t = _mm_max_epi32(t, _mm_shuffle_epi32(t, 0xB1));
  return _mm_cvtss_f32(_mm_castsi128_ps(t));
}

/* Blocks' scales, as shares of the largest times `most`; returns the largest. */
static inline __attribute__((always_inline)) float
begin32(factors *f, const bytes *w, size_t blocks, size_t block_bytes, float most) {
  short d16[8];
#pragma GCC unroll 8
  for (size_t b = 0; b < 8; b++)
    d16[b] = b < blocks ? *(const int16_t *)(const void *)(w + b * block_bytes) : 0;
  __m128i half = _mm_setr_epi16(d16[0], d16[1], d16[2], d16[3], d16[4], d16[5], d16[6], d16[7]);
  __m256 d = _mm256_cvtph_ps(half);
  float top = top_of_both(d, d);
  __m256i share =
      _mm256_cvtps_epi32(_mm256_mul_ps(d, _mm256_set1_ps(top > 0 ? most / top : 0)));
  _mm_storeu_si128((__m128i *)(void *)f->part, _mm256_cvtsepi32_epi16(share));
  return top;
}

static inline __m512i factors32(const factors *f, size_t p) {
  __m512i low = _mm512_castsi256_si512(_mm256_set1_epi16(f->part[2 * p]));
  return _mm512_inserti64x4(low, _mm256_set1_epi16(f->part[2 * p + 1]), 1);
}

static inline float begin_q8_0(factors *f, const bytes *w, size_t blocks) {
  return begin32(f, w, blocks, sizeof(gm_block_q8_0), 32767.0f);
}

static inline __m512i load_q8_0(const factors *f, const bytes *w, size_t p, bool both) {
  const bytes *q = w + 2 * p * sizeof(gm_block_q8_0) + 2;
  __m256i high = _mm256_setzero_si256();
  if (both) high = _mm256_loadu_si256((const void *)(q + sizeof(gm_block_q8_0)));
  __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)q));
  return rescale(_mm512_inserti64x4(low, high, 1), factors32(f, p), 0, false);
}

/* -8 of the largest block becomes -127: 32512 / 2^15 of -8 * 16. */
static inline float begin_q4_0(factors *f, const bytes *w, size_t blocks) {
  return begin32(f, w, blocks, sizeof(gm_block_q4_0), 32512.0f) * (8.0f / 127.0f);
}

/* The half bytes of 16 bytes: low ones, then high ones. */
static inline __m256i halves(const bytes *p) {
  __m128i q = _mm_loadu_si128((const void *)p);
  __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(q), _mm_srli_epi16(q, 4), 1);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

static inline __m512i load_q4_0(const factors *f, const bytes *w, size_t p, bool both) {
  const bytes *q = w + 2 * p * sizeof(gm_block_q4_0) + 2;
  __m256i high = both ? halves(q + sizeof(gm_block_q4_0)) : _mm256_setzero_si256();
  __m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(halves(q)), high, 1);
  return rescale(v, factors32(f, p), 4, true);
}

/* As Q4_0: -32 of the largest part becomes -127. */
static inline float begin_q6_k(factors *f, const bytes *w, size_t blocks) {
  (void)blocks;
  const gm_block_q6_k *block = (const gm_block_q6_k *)(const void *)w;
  __m512i s = _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)block->scales));
  int32_t top = _mm512_reduce_max_epi32(_mm512_abs_epi32(s));
  __m512 most = _mm512_set1_ps(top > 0 ? 32512.0f / (float)top : 0.0f);
  s = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(s), most));
  _mm256_storeu_si256((void *)f->part, _mm512_cvtsepi32_epi16(s));
  return _cvtsh_ss(block->d) * (float)top * (32.0f / 127.0f);
}

static inline __m512i load_q6_k(const factors *f, const bytes *w, size_t p, bool both) {
  (void)both;
  const __m512i part =
      _mm512_setr_epi64(0, 0, 0x0001000100010001, 0x0001000100010001, 0x0002000200020002,
                        0x0002000200020002, 0x0003000300030003, 0x0003000300030003);
  __m512i four = _mm512_castsi128_si512(_mm_loadl_epi64((const void *)(f->part + 4 * p)));
  __m512i v = gm_q6_k_quants_avx512vnni((const gm_block_q6_k *)(const void *)w, p);
  return rescale(v, _mm512_permutexvar_epi16(part, four), 2, true);
}

/* The bytes of four parts' 16 levels, step * level + least: a part in 128 bits. */
static inline __m512i levels(__m512 step, __m512 least, __m512i part) {
  const __m512 ramp = _mm512_setr_ps(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
  step = _mm512_permutexvar_ps(part, step);
  least = _mm512_fmadd_ps(step, ramp, _mm512_permutexvar_ps(part, least));
  __m512i l[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    l[i] = _mm512_cvtps_epi32(_mm512_fmadd_ps(step, _mm512_set1_ps((float)(4 * i)), least));
  return _mm512_packus_epi16(_mm512_packs_epi32(l[0], l[1]), _mm512_packs_epi32(l[2], l[3]));
}

/* With 16 levels a part of 32, the bytes are looked up. */
static inline float begin_q4_k(factors *f, const bytes *w, size_t blocks) {
  (void)blocks;
  const gm_block_q4_k *block = (const gm_block_q4_k *)(const void *)w;
  const __m512i part = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  __m512 s = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(gm_q4_k_scales_avx512vnni(block)));
  __m256 step = _mm256_mul_ps(_mm512_castps512_ps256(s), _mm256_set1_ps(_cvtsh_ss(block->d)));
  __m256 least =
      _mm256_mul_ps(_mm512_extractf32x8_ps(s, 1), _mm256_set1_ps(-_cvtsh_ss(block->dmin)));
  __m256 most = _mm256_fmadd_ps(step, _mm256_set1_ps(15), least);
  float top = top_of_both(least, most);
  __m256 inverse = _mm256_set1_ps(top > GM_X_TINY ? 127.0f / top : 0.0f);
  __m512 wide = _mm512_castps256_ps512(_mm256_mul_ps(step, inverse));
  __m512 from = _mm512_castps256_ps512(_mm256_fmadd_ps(least, inverse, _mm256_set1_ps(128)));
  _mm512_storeu_si512(f->level[0], levels(wide, from, part));
  _mm512_storeu_si512(f->level[4],
                      levels(wide, from, _mm512_add_epi32(part, _mm512_set1_epi32(4))));
  return top * (1.0f / 127.0f);
}

static inline __m512i load_q4_k(const factors *f, const bytes *w, size_t p, bool both) {
  (void)both;
  const gm_block_q4_k *block = (const gm_block_q4_k *)(const void *)w;
  __m256i q = _mm256_loadu_si256((const void *)(block->qs + 32 * p));
  const __m512i shift = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi32(4), 1);
  __m512i v = _mm512_and_si512(_mm512_srlv_epi32(_mm512_broadcast_i64x4(q), shift),
                               _mm512_set1_epi8(15));
  __m512i level = _mm512_broadcast_i64x4(_mm256_loadu_si256((const void *)f->level[2 * p]));
  return _mm512_shuffle_epi8(_mm512_shuffle_i64x2(level, level, 0x50), v);
}

static inline __attribute__((always_inline)) void pack_w(bytes *panel, const bytes *w,
                                                         size_t row_bytes, size_t rows,
                                                         size_t k, size_t chunk_bytes,
                                                         begin_fn begin, load_fn load) {
  assert(rows <= NR && k % 32 == 0);
  for (size_t at = 0; at < k; at += GM_X_CHUNK, panel += NR * W_BYTES, w += chunk_bytes) {
    size_t blocks = gm_x_blocks(k, at);
    float *d = (float *)(void *)(panel + 256 * NR);
    for (size_t side = 0; side < NR; side += 16) {
      factors f[16];
      for (size_t j = 0; j < 16; j++)
        d[side + j] = side + j < rows ? begin(&f[j], w + (side + j) * row_bytes, blocks) : 0.0f;
      for (size_t p = 0; 2 * p < blocks; p++) {
        __m512 r[16];
#pragma GCC unroll 16
        for (size_t j = 0; j < 16; j++)
          r[j] = side + j < rows ? _mm512_castsi512_ps(load(&f[j], w + (side + j) * row_bytes,
                                                            p, 2 * p + 1 < blocks))
                                 : _mm512_setzero_ps();
        gm_transpose16_avx512(r);
        float *out = (float *)(void *)panel + p * 16 * NR + side;
#pragma GCC unroll 16
        for (size_t i = 0; i < 16; i++) _mm512_storeu_ps(out + i * NR, r[i]);
      }
    }
  }
}

static void pack_w_q8_0(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, 8 * sizeof(gm_block_q8_0), begin_q8_0, load_q8_0);
}

static void pack_w_q4_0(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, 8 * sizeof(gm_block_q4_0), begin_q4_0, load_q4_0);
}

static void pack_w_q4_k(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, sizeof(gm_block_q4_k), begin_q4_k, load_q4_k);
}

static void pack_w_q6_k(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w(panel, w, row_bytes, rows, k, sizeof(gm_block_q6_k), begin_q6_k, load_q6_k);
}

/* ---- the tile --------------------------------------------------------------------------- */

static inline void pack_xt_row(bytes *chunk, const float *x, size_t blocks, size_t r,
                               size_t group) {
  gm_pack_xt_row_avx512vnni(chunk, x, blocks, r, group, 1);
}

/* A tile as activations.h says. */
static void pack_xt(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                    size_t k) {
  gm_pack_tile(dst, x, ldx, rows, group, k, GM_XT_BYTES, pack_xt_row);
}

/* Few rows have their own form. */
static void pack_x32(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k) {
  (group == 1 ? gm_pack_x32_avx512 : pack_xt)(dst, x, ldx, rows, group, k);
}

static void pack_xk(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                    size_t k) {
  (group == 1 ? gm_pack_xk_avx512 : pack_xt)(dst, x, ldx, rows, group, k);
}

/* acc = (first ? 0 : acc) + dot * dx * dw */
static inline __attribute__((always_inline)) void add_scaled(size_t R, float *acc,
                                                             __m512i dot[MR][2],
                                                             const float *dx, const float *dw,
                                                             bool first) {
  __m512 d0 = _mm512_loadu_ps(dw), d1 = _mm512_loadu_ps(dw + 16);
#pragma GCC unroll 12
  for (size_t r = 0; r < R; r++, acc += NR) {
    __m512 d = _mm512_set1_ps(dx[r]);
    __m512 a0 = first ? _mm512_setzero_ps() : _mm512_loadu_ps(acc);
    __m512 a1 = first ? _mm512_setzero_ps() : _mm512_loadu_ps(acc + 16);
    a0 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[r][0]), _mm512_mul_ps(d, d0), a0);
    a1 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[r][1]), _mm512_mul_ps(d, d1), a1);
    _mm512_storeu_ps(acc, a0);
    _mm512_storeu_ps(acc + 16, a1);
  }
}

/* The first R of a tile's rows. */
static inline __attribute__((always_inline)) void
tile_rows(size_t R, float *acc, const bytes *a, const bytes *w, size_t k, bool first) {
  assert(k > 0 && k % 32 == 0);
  for (size_t at = 0; at < k; at += GM_X_CHUNK, a += MR * GM_XT_BYTES, w += NR * W_BYTES) {
    const int32_t *s = gm_xt_s(a, MR);
    const int8_t *v = gm_x_q(a, MR, 0, 0);
    const bytes *q = w;
    __m512i dot[MR][2];
#pragma GCC unroll 12
    for (size_t r = 0; r < R; r++) dot[r][0] = dot[r][1] = _mm512_set1_epi32(s[r]);
    size_t b = gm_x_blocks(k, at);
    do { /* if the loop might not run at all, gcc keeps the sums in memory */
#pragma GCC unroll 8
      for (size_t g = 0; g < 8; g++) {
        __m512i q0 = _mm512_loadu_si512(q + g * 128), q1 = _mm512_loadu_si512(q + g * 128 + 64);
#pragma GCC unroll 12
        for (size_t r = 0; r < R; r++) {
          __m512i t = _mm512_set1_epi32(*(const int32_t *)(const void *)(v + r * 32 + g * 4));
          dot[r][0] = _mm512_dpbusd_epi32(dot[r][0], q0, t);
          dot[r][1] = _mm512_dpbusd_epi32(dot[r][1], q1, t);
        }
      }
      q += 8 * NR * 4, v += MR * 32;
    } while (--b > 0);
    add_scaled(R, acc, dot, gm_xt_d(a, MR), (const float *)(const void *)(w + 256 * NR),
               first && at == 0);
  }
}

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  tile_rows(MR, acc, x, panel, k, first);
}

static void tile_part(float *acc, const void *x, const void *panel, size_t k, bool first,
                      size_t rows) {
  assert(rows > 0 && rows <= MR);
  if (rows <= 4)
    tile_rows(4, acc, x, panel, k, first);
  else if (rows <= 8)
    tile_rows(8, acc, x, panel, k, first);
  else
    tile_rows(MR, acc, x, panel, k, first);
}

const gm_matmul gm_matmul_q8_0_avx512vnni = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XT_BYTES,
    .w_chunk_bytes = W_BYTES,
    .pack_x = pack_x32,
    .pack_w = pack_w_q8_0,
    .tile = tile,
    .gemv = gm_gemv_q8_0_avx512vnni,
    .form = GM_TILE_BYTES,
    .row_chunk_bytes = GM_X32_BYTES,
    .tile_part = tile_part,
};
const gm_matmul gm_matmul_q4_0_avx512vnni = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XT_BYTES,
    .w_chunk_bytes = W_BYTES,
    .pack_x = pack_x32,
    .pack_w = pack_w_q4_0,
    .tile = tile,
    .gemv = gm_gemv_q4_0_avx512vnni,
    .form = GM_TILE_BYTES,
    .row_chunk_bytes = GM_X32_BYTES,
    .tile_part = tile_part,
};
const gm_matmul gm_matmul_q4_k_avx512vnni = {
    .mr = MR,
    .nr = NR,
    .block = 256,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XT_BYTES,
    .w_chunk_bytes = W_BYTES,
    .pack_x = pack_xk,
    .pack_w = pack_w_q4_k,
    .tile = tile,
    .gemv = gm_gemv_q4_k_avx512vnni,
    .form = GM_TILE_BYTES,
    .row_chunk_bytes = GM_XK_BYTES,
    .tile_part = tile_part,
};
const gm_matmul gm_matmul_q6_k_avx512vnni = {
    .mr = MR,
    .nr = NR,
    .block = 256,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XT_BYTES,
    .w_chunk_bytes = W_BYTES,
    .pack_x = pack_xk,
    .pack_w = pack_w_q6_k,
    .tile = tile,
    .gemv = gm_gemv_q6_k_avx512vnni,
    .form = GM_TILE_BYTES,
    .row_chunk_bytes = GM_XK_BYTES,
    .tile_part = tile_part,
};
