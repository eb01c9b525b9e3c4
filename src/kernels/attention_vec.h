/* attention_vec.h - row_kernels.h in vectors: products of tiles, scores and weighted sums over
 * a cache. Included as rows_vec.h is. */
#ifndef GM_ATTENTION_VEC_H
#define GM_ATTENTION_VEC_H

#include "prefetch.h"
#include "row_kernels.h"
#include "types.h"
#include "vec_math.h"

#include <assert.h>

enum { MOST_VECS = 4 }; /* TILE_VECS is 2 or 4 */

/* The arguments of tile_product for one strip of columns. */
typedef struct tile_args {
  float *c;
  const float *keep, *a, *b;
  size_t ldc, lda, ldb, k;
  size_t left; /* columns in the strip's last vector */
} tile_args;

/* Vector j of `vecs`; the last one may be partial. */
static inline vec tile_load(const float *p, size_t j, size_t vecs, bool part, size_t left) {
  return part && j + 1 == vecs ? vec_load_part(p + j * VEC, left) : vec_load(p + j * VEC);
}

/* A block of `rows` x `vecs` vectors of a product from row `at` on; rows, vecs and part are
 * known at compile time, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void
tile_block(size_t rows, size_t vecs, bool part, const tile_args *t, size_t at) {
  vec sum[TILE_ROWS][MOST_VECS];
  float *c = t->c + at * t->ldc;
  const float *a = t->a + at * t->lda, *b = t->b;
  GM_UNROLL
  for (size_t i = 0; i < rows; i++) {
    GM_UNROLL
    for (size_t j = 0; j < vecs; j++) {
      sum[i][j] = vec_set(0);
      if (t->keep)
        sum[i][j] = vec_mul(vec_set(t->keep[at + i]),
                            tile_load(c + i * t->ldc, j, vecs, part, t->left));
    }
  }
  for (size_t l = 0; l < t->k; l++, b += t->ldb) {
    vec column[MOST_VECS];
    GM_UNROLL
    for (size_t j = 0; j < vecs; j++) column[j] = tile_load(b, j, vecs, part, t->left);
    GM_UNROLL
    for (size_t i = 0; i < rows; i++) {
      vec x = vec_set(a[i * t->lda + l]);
      GM_UNROLL
      for (size_t j = 0; j < vecs; j++) sum[i][j] = vec_fma(x, column[j], sum[i][j]);
    }
  }
  GM_UNROLL
  for (size_t i = 0; i < rows; i++) {
    GM_UNROLL
    for (size_t j = 0; j < vecs; j++) {
      float *to = c + i * t->ldc + j * VEC;
      if (part && j + 1 == vecs)
        vec_store_part(to, sum[i][j], t->left);
      else
        vec_store(to, sum[i][j]);
    }
  }
}

/* All rows of a strip, whose part of b stays in the first-level cache. */
static inline __attribute__((always_inline)) void tile_strip(size_t vecs, bool part,
                                                             tile_args t, size_t m) {
  size_t i = 0;
  for (; i + TILE_ROWS <= m; i += TILE_ROWS) tile_block(TILE_ROWS, vecs, part, &t, i);
  for (; i + 2 <= m; i += 2) tile_block(2, vecs, part, &t, i);
  if (i < m) tile_block(1, vecs, part, &t, i);
}

static inline __attribute__((always_inline)) void tile_rest(size_t vecs, tile_args t,
                                                            size_t m) {
  if (t.left < VEC)
    tile_strip(vecs, true, t, m);
  else
    tile_strip(vecs, false, t, m);
}

static void tile_product_vec(float *c, size_t ldc, const float *keep, const float *a,
                             size_t lda, const float *b, size_t ldb, size_t m, size_t n,
                             size_t k) {
  tile_args t = {.c = c,
                 .keep = keep,
                 .a = a,
                 .b = b,
                 .ldc = ldc,
                 .lda = lda,
                 .ldb = ldb,
                 .k = k,
                 .left = VEC};
  for (; n >= TILE_VECS * VEC; n -= TILE_VECS * VEC) {
    tile_strip(TILE_VECS, false, t, m);
    t.c += TILE_VECS * VEC;
    t.b += TILE_VECS * VEC;
  }
  if (n == 0) return;
  size_t vecs = (n + VEC - 1) / VEC;
  t.left = n - (vecs - 1) * VEC;
  if (vecs == 1)
    tile_rest(1, t, m);
  else if (vecs == 2)
    tile_rest(2, t, m);
  else if (TILE_VECS > 2 && vecs == 3)
    tile_rest(3, t, m);
  else if (TILE_VECS > 2)
    tile_rest(4, t, m);
}

/* The two ways of reading a cache; `half` is known at compile time. */
static inline vec load_kv(const void *p, size_t i, bool half) {
  return half ? vec_load_half((const uint16_t *)p + i) : vec_load((const float *)p + i);
}

static inline vec load_kv_part(const void *p, size_t i, size_t n, bool half) {
  return half ? vec_load_half_part((const uint16_t *)p + i, n)
              : vec_load_part((const float *)p + i, n);
}

static inline const void *kv_row(const void *p, size_t i, bool half) {
  return half ? (const void *)((const uint16_t *)p + i) : (const void *)((const float *)p + i);
}

/* Scores of `keys` neighbouring keys, each in one chain of sums per lane. */
static inline __attribute__((always_inline)) void dots_block(size_t keys, float *s,
                                                             const float *q, const void *k,
                                                             size_t ldk, size_t d, bool half) {
  vec sum[4];
  GM_UNROLL
  for (size_t j = 0; j < keys; j++) {
    gm_prefetch_ahead(kv_row(k, j * ldk, half), d * (half ? 2 : 4));
    sum[j] = vec_set(0);
  }
  size_t i = 0;
  for (; i + VEC <= d; i += VEC) {
    vec x = vec_load(q + i);
    GM_UNROLL
    for (size_t j = 0; j < keys; j++)
      sum[j] = vec_fma(x, load_kv(k, j * ldk + i, half), sum[j]);
  }
  if (i < d) {
    vec x = vec_load_part(q + i, d - i);
    GM_UNROLL
    for (size_t j = 0; j < keys; j++)
      sum[j] = vec_fma(x, load_kv_part(k, j * ldk + i, d - i, half), sum[j]);
  }
  GM_UNROLL
  for (size_t j = 0; j < keys; j++) s[j] = vec_sum(sum[j]);
}

static inline __attribute__((always_inline)) void
dots_any(float *s, const float *q, const void *k, size_t ldk, size_t n, size_t d, bool half) {
  size_t j = 0;
  for (; j + 4 <= n; j += 4) dots_block(4, s + j, q, kv_row(k, j * ldk, half), ldk, d, half);
  for (; j < n; j++) dots_block(1, s + j, q, kv_row(k, j * ldk, half), ldk, d, half);
}

static void dots_f32_vec(float *s, const float *q, const void *k, size_t ldk, size_t n,
                         size_t d) {
  dots_any(s, q, k, ldk, n, d, false);
}

static void dots_f16_vec(float *s, const float *q, const void *k, size_t ldk, size_t n,
                         size_t d) {
  dots_any(s, q, k, ldk, n, d, true);
}

/* Eight vectors of the output stay in registers while all values are read. */
static inline __attribute__((always_inline)) void mix_any(float *o, const float *p,
                                                          const void *v, size_t ldv, size_t n,
                                                          size_t d, bool add, bool half) {
  size_t i = 0;
  for (; i + 8 * VEC <= d; i += 8 * VEC) {
    vec sum[8];
    GM_UNROLL
    for (size_t j = 0; j < 8; j++) sum[j] = add ? vec_load(o + i + j * VEC) : vec_set(0);
    for (size_t r = 0; r < n; r++) {
      vec weight = vec_set(p[r]);
      gm_prefetch_ahead(kv_row(v, r * ldv + i, half), 8 * VEC * (half ? 2 : 4));
      GM_UNROLL
      for (size_t j = 0; j < 8; j++)
        sum[j] = vec_fma(weight, load_kv(v, r * ldv + i + j * VEC, half), sum[j]);
    }
    GM_UNROLL
    for (size_t j = 0; j < 8; j++) vec_store(o + i + j * VEC, sum[j]);
  }
  for (; i < d; i += VEC) {
    size_t left = d - i < VEC ? d - i : VEC;
    vec sum = add ? vec_load_part(o + i, left) : vec_set(0);
    for (size_t r = 0; r < n; r++) {
      vec x = left == VEC ? load_kv(v, r * ldv + i, half)
                          : load_kv_part(v, r * ldv + i, left, half);
      sum = vec_fma(vec_set(p[r]), x, sum);
    }
    vec_store_part(o + i, sum, left);
  }
}

static void mix_f32_vec(float *o, const float *p, const void *v, size_t ldv, size_t n, size_t d,
                        bool add) {
  mix_any(o, p, v, ldv, n, d, add, false);
}

static void mix_f16_vec(float *o, const float *p, const void *v, size_t ldv, size_t n, size_t d,
                        bool add) {
  mix_any(o, p, v, ldv, n, d, add, true);
}

/* ---- a cache of Q8_0 blocks */

static inline vec vec_abs(vec x) {
  return vec_max(x, vec_sub(vec_set(0), x));
}

/* The largest magnitude of n values, a multiple of VEC; NaN where one of them is. */
static inline __attribute__((always_inline)) float top_magnitude(const float *x, size_t n) {
  vec top = vec_set(0), none = top; /* none: 0, or NaN once one has been met */
  for (size_t i = 0; i < n; i += VEC) {
    vec a = vec_abs(vec_load(x + i));
    top = vec_max(a, top);
    none = vec_add(none, vec_min(vec_set(0), a));
  }
  return vec_top(top) + vec_sum(none);
}

/* q in 16 bits; returns the size of a step. */
static inline float round_query(int16_t *out, const float *q, size_t d) {
  float largest = top_magnitude(q, d);
  vec inverse = vec_set(largest > 1e-30F ? 32767 / largest : 0);
  for (size_t i = 0; i < d; i += VEC) vec_store_i16(out + i, vec_mul(vec_load(q + i), inverse));
  return largest / 32767;
}

static inline __attribute__((always_inline)) void dots_q8_0_block(size_t keys, float *s,
                                                                  const int16_t *q, float step,
                                                                  const gm_block_q8_0 *k,
                                                                  size_t ldk, size_t blocks) {
  vec sum[4];
  GM_UNROLL
  for (size_t j = 0; j < keys; j++) {
    gm_prefetch_ahead(k + j * ldk, blocks * sizeof *k);
    sum[j] = vec_set(0);
  }
  for (size_t b = 0; b < blocks; b++) GM_UNROLL
  for (size_t j = 0; j < keys; j++) {
    const gm_block_q8_0 *block = k + j * ldk + b;
    sum[j] = vec_fma(vec_dot32(q + b * 32, block->qs), vec_all_half(&block->d), sum[j]);
  }
  GM_UNROLL
  for (size_t j = 0; j < keys; j++) s[j] = vec_sum(sum[j]) * step;
}

static void dots_q8_0_vec(float *s, const float *q, const void *k, size_t ldk, size_t n,
                          size_t d) {
  assert(ldk % 32 == 0 && d % 32 == 0 && d <= 256);
  int16_t rounded[256];
  const gm_block_q8_0 *keys = k;
  float step = round_query(rounded, q, d);
  size_t j = 0, ld = ldk / 32;
  for (; j + 4 <= n; j += 4)
    dots_q8_0_block(4, s + j, rounded, step, keys + j * ld, ld, d / 32);
  for (; j < n; j++) dots_q8_0_block(1, s + j, rounded, step, keys + j * ld, ld, d / 32);
}

/* Sums of `blocks` neighbouring blocks stay in registers while all values are read. */
static inline __attribute__((always_inline)) void
mix_q8_0_blocks(size_t blocks, float *o, const float *p, const gm_block_q8_0 *v, size_t ldv,
                size_t n, bool add) {
  enum { PARTS = 32 / VEC };
  vec sum[8];
  GM_UNROLL
  for (size_t i = 0; i < blocks * PARTS; i++) sum[i] = add ? vec_load(o + i * VEC) : vec_set(0);
  for (size_t r = 0; r < n; r++, v += ldv) {
    gm_prefetch_ahead(v, blocks * sizeof *v);
    GM_UNROLL
    for (size_t b = 0; b < blocks; b++) {
      vec weight = vec_mul(vec_set(p[r]), vec_all_half(&v[b].d));
      GM_UNROLL
      for (size_t i = 0; i < PARTS; i++)
        sum[b * PARTS + i] =
            vec_fma(weight, vec_load_i8(v[b].qs + i * VEC), sum[b * PARTS + i]);
    }
  }
  GM_UNROLL
  for (size_t i = 0; i < blocks * PARTS; i++) vec_store(o + i * VEC, sum[i]);
}

static void mix_q8_0_vec(float *o, const float *p, const void *v, size_t ldv, size_t n,
                         size_t d, bool add) {
  assert(ldv % 32 == 0 && d % 32 == 0);
  enum { BLOCKS = VEC / 4 }; /* 8 vectors of sums */
  const gm_block_q8_0 *values = v;
  size_t b = 0;
  for (; b + BLOCKS <= d / 32; b += BLOCKS)
    mix_q8_0_blocks(BLOCKS, o + b * 32, p, values + b, ldv / 32, n, add);
  for (; b < d / 32; b++) mix_q8_0_blocks(1, o + b * 32, p, values + b, ldv / 32, n, add);
}

static void widen_q8_0_vec(float *y, const void *x, size_t n) {
  assert(n % 32 == 0);
  const gm_block_q8_0 *block = x;
  for (size_t i = 0; i < n; i += 32, block++) {
    vec d = vec_all_half(&block->d);
    for (size_t j = 0; j < 32; j += VEC)
      vec_store(y + i + j, vec_mul(d, vec_load_i8(block->qs + j)));
  }
}

static void narrow_q8_0_vec(void *y, const float *x, size_t n) {
  assert(n % 32 == 0);
  gm_block_q8_0 *block = y;
  for (size_t i = 0; i < n; i += 32, block++) {
    float d = top_magnitude(x + i, 32) / 127;
    vec inverse = vec_set(d > 1e-30F ? 1 / d : 0);
    vec_store_half_part(&block->d, vec_set(d), 1);
    for (size_t j = 0; j < 32; j += VEC)
      vec_store_i8(block->qs + j, vec_mul(vec_load(x + i + j), inverse));
  }
}

#endif
