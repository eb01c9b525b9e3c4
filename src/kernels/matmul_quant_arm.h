/* matmul_quant_arm.h - products with block types for 64-bit ARM, on what the including file
 * defines before:
 *
 *   MR rows of activations in a tile, panels of NR = 8 rows of w
 *   int32x4_t dot4(int32x4_t acc, int8x16_t a, int8x16_t b)
 *     adds to each lane of acc the four products of that lane's bytes
 *   void store_block(int8_t *panel, size_t b, size_t j, int8x16x2_t v)
 *     puts block b of 32 elements of row j into a panel
 *   void dot_span(int32x4_t dot[MR][2], const int8_t *panel, const int8_t *x, size_t n)
 *     dot[r] = the products of n = 16 or 32 elements of row r of activations (32 bytes apart)
 *     with the 8 rows of w; elements from e on, a multiple of 16, begin at panel + e * NR
 *
 * This header gives use_products, which writes all of the products into a table of kernels.
 *
 * Weights are signed: 8 is subtracted from those of Q4_0, and 32 from those of Q6_K. Q4_K keeps
 * its values (0..15); its minima are a product of their own.
 *
 * Panel, per chunk of 256 elements: 2048 bytes as store_block orders them; then
 *   Q8_0, Q4_0: float d[8][8]
 *   Q4_K: int32 scale[8][8], int32 min[8][8], float d[8], float dmin[8]
 *   Q6_K: int32 scale[16][8], float d[8] */
#ifndef GM_MATMUL_QUANT_ARM_H
#define GM_MATMUL_QUANT_ARM_H

#include "activations.h"
#include "k_scales.h"
#include "neon/kernels_neon.h"

#include <arm_neon.h>
#include <assert.h>
#include <string.h>

enum { Q32_BYTES = 288, Q4_K_BYTES = 328, Q6_K_BYTES = 324 };

typedef unsigned char bytes;

static inline int8x16x2_t both_halves(uint8x16_t q, int8_t offset) {
  int8x16_t low = vreinterpretq_s8_u8(vandq_u8(q, vdupq_n_u8(15)));
  int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(q, 4));
  int8x16x2_t v = {{vsubq_s8(low, vdupq_n_s8(offset)), vsubq_s8(high, vdupq_n_s8(offset))}};
  return v;
}

/* Elements 32 b .. 32 b + 31 of a chunk that begins at w. */
typedef int8x16x2_t (*load_fn)(const bytes *w, size_t b);

static inline int8x16x2_t load_q8_0(const bytes *w, size_t b) {
  const int8_t *q = (const int8_t *)w + b * sizeof(gm_block_q8_0) + 2;
  int8x16x2_t v = {{vld1q_s8(q), vld1q_s8(q + 16)}};
  return v;
}

static inline int8x16x2_t load_q4_0(const bytes *w, size_t b) {
  return both_halves(vld1q_u8(w + b * sizeof(gm_block_q4_0) + 2), 8);
}

static inline int8x16x2_t load_q4_k(const bytes *w, size_t b) {
  const uint8_t *q = ((const gm_block_q4_k *)(const void *)w)->qs + b / 2 * 32;
  int8x16x2_t first = both_halves(vld1q_u8(q), 0), second = both_halves(vld1q_u8(q + 16), 0);
  int8x16x2_t v = {{first.val[b % 2], second.val[b % 2]}};
  return v;
}

static inline int8x16x2_t load_q6_k(const bytes *w, size_t b) {
  const gm_block_q6_k *block = (const gm_block_q6_k *)(const void *)w;
  const uint8_t *ql = block->ql + b / 4 * 64 + b % 2 * 32, *qh = block->qh + b / 4 * 32;
  int8x16_t low_shift = vdupq_n_s8((int8_t)(-4 * (int)(b / 2 % 2)));
  int8x16_t high_shift = vdupq_n_s8((int8_t)(4 - 2 * (int)(b % 4)));
  int8x16x2_t v;
  for (size_t i = 0; i < 2; i++) {
    uint8x16_t low = vandq_u8(vshlq_u8(vld1q_u8(ql + 16 * i), low_shift), vdupq_n_u8(0x0F));
    uint8x16_t high = vandq_u8(vshlq_u8(vld1q_u8(qh + 16 * i), high_shift), vdupq_n_u8(0x30));
    v.val[i] = vsubq_s8(vreinterpretq_s8_u8(vorrq_u8(low, high)), vdupq_n_s8(32));
  }
  return v;
}

/* `blocks` blocks of 32 of up to 8 rows; missing ones are zero. */
static inline __attribute__((always_inline)) void pack_quants(bytes *panel, const bytes *w,
                                                              size_t row_bytes, size_t rows,
                                                              size_t blocks, load_fn load) {
  for (size_t b = 0; b < blocks; b++)
    for (size_t j = 0; j < NR; j++) {
      int8x16x2_t v = {{vdupq_n_s8(0), vdupq_n_s8(0)}};
      if (j < rows) v = load(w + j * row_bytes, b);
      store_block((int8_t *)panel, b, j, v);
    }
}

static inline float half_at(const bytes *p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
}

static inline __attribute__((always_inline)) void pack_w_q32(bytes *panel, const bytes *w,
                                                             size_t row_bytes, size_t rows,
                                                             size_t k, size_t block_bytes,
                                                             load_fn load) {
  assert(rows <= NR && k % 32 == 0);
  for (size_t at = 0; at < k; at += GM_X_CHUNK, panel += NR * Q32_BYTES, w += 8 * block_bytes) {
    size_t blocks = gm_x_blocks(k, at);
    pack_quants(panel, w, row_bytes, rows, blocks, load);
    float *d = (float *)(void *)(panel + 256 * NR);
    for (size_t i = 0; i < blocks * NR; i++)
      d[i] = i % NR < rows ? half_at(w + i % NR * row_bytes + i / NR * block_bytes) : 0.0f;
  }
}

static void pack_w_q8_0(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w_q32(panel, w, row_bytes, rows, k, sizeof(gm_block_q8_0), load_q8_0);
}

static void pack_w_q4_0(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  pack_w_q32(panel, w, row_bytes, rows, k, sizeof(gm_block_q4_0), load_q4_0);
}

static void pack_w_q4_k(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  assert(rows <= NR && k % 256 == 0);
  bytes *out = panel;
  const bytes *in = w;
  for (size_t at = 0; at < k; at += 256, out += NR * Q4_K_BYTES, in += sizeof(gm_block_q4_k)) {
    pack_quants(out, in, row_bytes, rows, 8, load_q4_k);
    int32_t *scale = (int32_t *)(void *)(out + 256 * NR), *min = scale + 8 * NR;
    float *d = (float *)(void *)(out + 320 * NR);
    memset(scale, 0, (Q4_K_BYTES - 256) * NR);
    for (size_t j = 0; j < rows; j++) {
      const gm_block_q4_k *block = (const gm_block_q4_k *)(const void *)(in + j * row_bytes);
      uint8_t s[8], m[8];
      gm_q4_k_scales(s, m, block->scales);
      for (size_t i = 0; i < 8; i++) scale[i * NR + j] = s[i], min[i * NR + j] = m[i];
      d[j] = half_at((const bytes *)&block->d);
      d[NR + j] = half_at((const bytes *)&block->dmin);
    }
  }
}

static void pack_w_q6_k(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k) {
  assert(rows <= NR && k % 256 == 0);
  bytes *out = panel;
  const bytes *in = w;
  for (size_t at = 0; at < k; at += 256, out += NR * Q6_K_BYTES, in += sizeof(gm_block_q6_k)) {
    pack_quants(out, in, row_bytes, rows, 8, load_q6_k);
    int32_t *scale = (int32_t *)(void *)(out + 256 * NR);
    float *d = (float *)(void *)(out + 320 * NR);
    memset(scale, 0, (Q6_K_BYTES - 256) * NR);
    for (size_t j = 0; j < rows; j++) {
      const gm_block_q6_k *block = (const gm_block_q6_k *)(const void *)(in + j * row_bytes);
      for (size_t i = 0; i < 16; i++) scale[i * NR + j] = block->scales[i];
      d[j] = half_at((const bytes *)&block->d);
    }
  }
}

static inline void zero(int32x4_t dot[MR][2]) {
#pragma GCC unroll 8
  for (size_t r = 0; r < MR; r++) dot[r][0] = dot[r][1] = vdupq_n_s32(0);
}

/* acc += dot * dw * dx */
static inline void add_scaled(float *acc, int32x4_t dot[MR][2], const float *dw,
                              const float *dx) {
#pragma GCC unroll 16
  for (size_t i = 0; i < 2 * MR; i++) {
    float *out = acc + i / 2 * NR + i % 2 * 4;
    float32x4_t d = vmulq_n_f32(vld1q_f32(dw + i % 2 * 4), dx[i / 2]);
    vst1q_f32(out, vfmaq_f32(vld1q_f32(out), vcvtq_f32_s32(dot[i / 2][i % 2]), d));
  }
}

static void tile_q32(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const bytes *a = x, *w = panel;
  if (first) memset(acc, 0, MR * NR * sizeof(float));
  for (size_t at = 0; at < k; at += GM_X_CHUNK, a += MR * GM_X32_BYTES, w += NR * Q32_BYTES) {
    const float *dw = (const float *)(const void *)(w + 256 * NR);
    for (size_t b = 0; b < gm_x_blocks(k, at); b++) {
      int32x4_t dot[MR][2];
      dot_span(dot, (const int8_t *)w + b * 32 * NR, gm_x_q(a, MR, b, 0), 32);
      add_scaled(acc, dot, dw + b * NR, gm_x32_d(a, MR) + b * MR);
    }
  }
}

/* total += dot * scale */
static inline void add_weighted(int32x4_t total[MR][2], int32x4_t dot[MR][2],
                                const int32_t *scale) {
  int32x4_t s0 = vld1q_s32(scale), s1 = vld1q_s32(scale + 4);
#pragma GCC unroll 8
  for (size_t r = 0; r < MR; r++) {
    total[r][0] = vmlaq_s32(total[r][0], dot[r][0], s0);
    total[r][1] = vmlaq_s32(total[r][1], dot[r][1], s1);
  }
}

static void tile_q4_k(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const bytes *a = x, *w = panel;
  if (first) memset(acc, 0, MR * NR * sizeof(float));
  for (size_t at = 0; at < k; at += 256, a += MR * GM_XK_BYTES, w += NR * Q4_K_BYTES) {
    const int32_t *scale = (const int32_t *)(const void *)(w + 256 * NR);
    const int32_t *min = scale + 8 * NR;
    const float *dw = (const float *)(const void *)(w + 320 * NR);
    int32x4_t total[MR][2], dot[MR][2];
    zero(total);
    for (size_t b = 0; b < 8; b++) {
      dot_span(dot, (const int8_t *)w + b * 32 * NR, gm_xk_q(a, MR, b, 0), 32);
      add_weighted(total, dot, scale + b * NR);
    }
    zero(dot);
    for (size_t b = 0; b < 8; b++)
#pragma GCC unroll 8
      for (size_t r = 0; r < MR; r++) {
        int32_t s = gm_xk_s32(a, MR)[(b / 2 * MR + r) * 2 + b % 2];
        dot[r][0] = vmlaq_n_s32(dot[r][0], vld1q_s32(min + b * NR), s);
        dot[r][1] = vmlaq_n_s32(dot[r][1], vld1q_s32(min + b * NR + 4), s);
      }
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
    const int32_t *scale = (const int32_t *)(const void *)(w + 256 * NR);
    const float *dw = (const float *)(const void *)(w + 320 * NR);
    int32x4_t total[MR][2], dot[MR][2];
    zero(total);
    for (size_t b = 0; b < 16; b++) {
      dot_span(dot, (const int8_t *)w + b * 16 * NR, gm_xk_q(a, MR, b / 2, 0) + b % 2 * 16, 16);
      add_weighted(total, dot, scale + b * NR);
    }
    add_scaled(acc, total, dw, gm_xk_d(a, MR));
  }
}

/* ---- few rows -------------------------------------------------------------------------- */

static inline int32x4_t dot32(int8x16x2_t w, const int8_t *v) {
  return dot4(dot4(vdupq_n_s32(0), w.val[0], vld1q_s8(v)), w.val[1], vld1q_s8(v + 16));
}

static inline __attribute__((always_inline)) float
row_q32(const bytes *x, const bytes *w, size_t k, size_t block_bytes, load_fn load) {
  float32x4_t sum = vdupq_n_f32(0);
  for (size_t at = 0; at < k; at += GM_X_CHUNK, x += GM_X32_BYTES, w += 8 * block_bytes)
    for (size_t b = 0; b < gm_x_blocks(k, at); b++) {
      float d = half_at(w + b * block_bytes) * gm_x32_d(x, 1)[b];
      sum = vfmaq_n_f32(sum, vcvtq_f32_s32(dot32(load(w, b), gm_x_q(x, 1, b, 0))), d);
    }
  return vaddvq_f32(sum);
}

static float row_q8_0(const bytes *x, const bytes *w, size_t k) {
  return row_q32(x, w, k, sizeof(gm_block_q8_0), load_q8_0);
}

static float row_q4_0(const bytes *x, const bytes *w, size_t k) {
  return row_q32(x, w, k, sizeof(gm_block_q4_0), load_q4_0);
}

static float row_q4_k(const bytes *x, const bytes *w, size_t k) {
  float32x4_t sum = vdupq_n_f32(0), mins = vdupq_n_f32(0);
  for (size_t at = 0; at < k; at += 256, x += GM_XK_BYTES, w += sizeof(gm_block_q4_k)) {
    const gm_block_q4_k *block = (const gm_block_q4_k *)(const void *)w;
    uint8_t scale[8], min[8];
    gm_q4_k_scales(scale, min, block->scales);
    int32x4_t total = vdupq_n_s32(0);
#pragma GCC unroll 8
    for (size_t b = 0; b < 8; b++)
      total = vmlaq_n_s32(total, dot32(load_q4_k(w, b), gm_xk_q(x, 1, b, 0)), scale[b]);
    int16x8_t m = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(min))), s = vld1q_s16(gm_xk_s32(x, 1));
    int32x4_t offset = vmull_s16(vget_low_s16(m), vget_low_s16(s));
    offset = vmlal_s16(offset, vget_high_s16(m), vget_high_s16(s));
    float dx = gm_xk_d(x, 1)[0];
    sum = vfmaq_n_f32(sum, vcvtq_f32_s32(total), half_at((const bytes *)&block->d) * dx);
    mins = vfmaq_n_f32(mins, vcvtq_f32_s32(offset), half_at((const bytes *)&block->dmin) * dx);
  }
  return vaddvq_f32(vsubq_f32(sum, mins));
}

static float row_q6_k(const bytes *x, const bytes *w, size_t k) {
  float32x4_t sum = vdupq_n_f32(0);
  for (size_t at = 0; at < k; at += 256, x += GM_XK_BYTES, w += sizeof(gm_block_q6_k)) {
    const gm_block_q6_k *block = (const gm_block_q6_k *)(const void *)w;
    int32x4_t total = vdupq_n_s32(0);
#pragma GCC unroll 8
    for (size_t b = 0; b < 8; b++) {
      int8x16x2_t q = load_q6_k(w, b);
      const int8_t *v = gm_xk_q(x, 1, b, 0);
      int32x4_t low = dot4(vdupq_n_s32(0), q.val[0], vld1q_s8(v));
      int32x4_t high = dot4(vdupq_n_s32(0), q.val[1], vld1q_s8(v + 16));
      total = vmlaq_n_s32(total, low, block->scales[2 * b]);
      total = vmlaq_n_s32(total, high, block->scales[2 * b + 1]);
    }
    float d = half_at((const bytes *)&block->d) * gm_xk_d(x, 1)[0];
    sum = vfmaq_n_f32(sum, vcvtq_f32_s32(total), d);
  }
  return vaddvq_f32(sum);
}

typedef float (*row_fn)(const bytes *x, const bytes *w, size_t k);

static inline __attribute__((always_inline)) void gemv(float *y, size_t ldy, const bytes *x,
                                                       size_t x_bytes, size_t m, const bytes *w,
                                                       size_t row_bytes, size_t n, size_t k,
                                                       row_fn row) {
  assert(m <= GM_GEMV_ROWS && k % 32 == 0);
  size_t x_row = (k + GM_X_CHUNK - 1) / GM_X_CHUNK * x_bytes;
  for (size_t j = 0; j < n; j++)
    for (size_t r = 0; r < m; r++) y[r * ldy + j] = row(x + r * x_row, w + j * row_bytes, k);
}

static void gemv_q8_0(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, GM_X32_BYTES, m, w, row_bytes, n, k, row_q8_0);
}

static void gemv_q4_0(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, GM_X32_BYTES, m, w, row_bytes, n, k, row_q4_0);
}

static void gemv_q4_k(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, GM_XK_BYTES, m, w, row_bytes, n, k, row_q4_k);
}

static void gemv_q6_k(float *y, size_t ldy, const void *x, size_t m, const void *w,
                      size_t row_bytes, size_t n, size_t k) {
  gemv(y, ldy, x, GM_XK_BYTES, m, w, row_bytes, n, k, row_q6_k);
}

/* ---- all types ------------------------------------------------------------------------- */

static const gm_matmul product_q8_0 = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_X32_BYTES,
    .w_chunk_bytes = Q32_BYTES,
    .pack_x = gm_pack_x32_neon,
    .pack_w = pack_w_q8_0,
    .tile = tile_q32,
    .gemv = gemv_q8_0,
    .row_chunk_bytes = GM_X32_BYTES,
};
static const gm_matmul product_q4_0 = {
    .mr = MR,
    .nr = NR,
    .block = 32,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_X32_BYTES,
    .w_chunk_bytes = Q32_BYTES,
    .pack_x = gm_pack_x32_neon,
    .pack_w = pack_w_q4_0,
    .tile = tile_q32,
    .gemv = gemv_q4_0,
    .row_chunk_bytes = GM_X32_BYTES,
};
static const gm_matmul product_q4_k = {
    .mr = MR,
    .nr = NR,
    .block = 256,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XK_BYTES,
    .w_chunk_bytes = Q4_K_BYTES,
    .pack_x = gm_pack_xk_neon,
    .pack_w = pack_w_q4_k,
    .tile = tile_q4_k,
    .gemv = gemv_q4_k,
    .row_chunk_bytes = GM_XK_BYTES,
};
static const gm_matmul product_q6_k = {
    .mr = MR,
    .nr = NR,
    .block = 256,
    .chunk = GM_X_CHUNK,
    .x_chunk_bytes = GM_XK_BYTES,
    .w_chunk_bytes = Q6_K_BYTES,
    .pack_x = gm_pack_xk_neon,
    .pack_w = pack_w_q6_k,
    .tile = tile_q6_k,
    .gemv = gemv_q6_k,
    .row_chunk_bytes = GM_XK_BYTES,
};

static void use_products(gm_kernels *k) {
  k->matmul[GM_TYPE_Q8_0] = &product_q8_0;
  k->matmul[GM_TYPE_Q4_0] = &product_q4_0;
  k->matmul[GM_TYPE_Q4_K] = &product_q4_k;
  k->matmul[GM_TYPE_Q6_K] = &product_q6_k;
}

#endif
