/* attention_vec.h - row_kernels.h in vectors: products of tiles, scores and weighted sums over
 * a cache. Included as rows_vec.h is. */
#ifndef GM_ATTENTION_VEC_H
#define GM_ATTENTION_VEC_H

#include "row_kernels.h"
#include "vec_math.h"

/* A block of `rows` x `vecs` vectors of tile_product, both known when compiled, so that the
 * sums stay in registers. n: columns, less than vecs * VEC only if vecs is 1. */
static inline __attribute__((always_inline)) void
tile_block(size_t rows, size_t vecs, float *c, size_t ldc, const float *keep, const float *a,
           size_t lda, const float *b, size_t ldb, size_t n, size_t k) {
  vec sum[TILE_ROWS][TILE_VECS];
  const bool part = n < VEC;
#pragma GCC unroll 8
  for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll 8
    for (size_t j = 0; j < vecs; j++) {
      const float *at = c + i * ldc + j * VEC;
      sum[i][j] = vec_set(0);
      if (keep)
        sum[i][j] = vec_mul(vec_set(keep[i]), part ? vec_load_part(at, n) : vec_load(at));
    }
  }
  for (size_t l = 0; l < k; l++, b += ldb) {
    vec column[TILE_VECS];
#pragma GCC unroll 8
    for (size_t j = 0; j < vecs; j++)
      column[j] = part ? vec_load_part(b, n) : vec_load(b + j * VEC);
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++) {
      vec x = vec_set(a[i * lda + l]);
#pragma GCC unroll 8
      for (size_t j = 0; j < vecs; j++) sum[i][j] = vec_fma(x, column[j], sum[i][j]);
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll 8
    for (size_t j = 0; j < vecs; j++) {
      if (part)
        vec_store_part(c + i * ldc, sum[i][j], n);
      else
        vec_store(c + i * ldc + j * VEC, sum[i][j]);
    }
  }
}

/* All rows of a strip of `vecs` vectors of columns: b's part of it stays in the first cache. */
static inline __attribute__((always_inline)) void
tile_strip(size_t vecs, float *c, size_t ldc, const float *keep, const float *a, size_t lda,
           const float *b, size_t ldb, size_t m, size_t n, size_t k) {
  size_t i = 0;
  for (; i + TILE_ROWS <= m; i += TILE_ROWS)
    tile_block(TILE_ROWS, vecs, c + i * ldc, ldc, keep ? keep + i : NULL, a + i * lda, lda, b,
               ldb, n, k);
  for (; i + 2 <= m; i += 2)
    tile_block(2, vecs, c + i * ldc, ldc, keep ? keep + i : NULL, a + i * lda, lda, b, ldb, n,
               k);
  if (i < m)
    tile_block(1, vecs, c + i * ldc, ldc, keep ? keep + i : NULL, a + i * lda, lda, b, ldb, n,
               k);
}

static void tile_product_vec(float *c, size_t ldc, const float *keep, const float *a,
                             size_t lda, const float *b, size_t ldb, size_t m, size_t n,
                             size_t k) {
  size_t j = 0;
  for (; j + TILE_VECS * VEC <= n; j += TILE_VECS * VEC)
    tile_strip(TILE_VECS, c + j, ldc, keep, a, lda, b + j, ldb, m, TILE_VECS * VEC, k);
  for (; j + 2 * VEC <= n; j += 2 * VEC)
    tile_strip(2, c + j, ldc, keep, a, lda, b + j, ldb, m, 2 * VEC, k);
  for (; j + VEC <= n; j += VEC) tile_strip(1, c + j, ldc, keep, a, lda, b + j, ldb, m, VEC, k);
  if (j < n) tile_strip(1, c + j, ldc, keep, a, lda, b + j, ldb, m, n - j, k);
}

/* The two ways of reading a cache; `half` is known when compiled. */
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
#pragma GCC unroll 4
  for (size_t j = 0; j < keys; j++) sum[j] = vec_set(0);
  size_t i = 0;
  for (; i + VEC <= d; i += VEC) {
    vec x = vec_load(q + i);
#pragma GCC unroll 4
    for (size_t j = 0; j < keys; j++)
      sum[j] = vec_fma(x, load_kv(k, j * ldk + i, half), sum[j]);
  }
  if (i < d) {
    vec x = vec_load_part(q + i, d - i);
#pragma GCC unroll 4
    for (size_t j = 0; j < keys; j++)
      sum[j] = vec_fma(x, load_kv_part(k, j * ldk + i, d - i, half), sum[j]);
  }
#pragma GCC unroll 4
  for (size_t j = 0; j < keys; j++) s[j] = vec_sum(sum[j]);
}

static inline __attribute__((always_inline)) void
dots_any(float *s, const float *q, const void *k, size_t ldk, size_t n, size_t d, bool half) {
  size_t j = 0;
  for (; j + 4 <= n; j += 4) dots_block(4, s + j, q, kv_row(k, j * ldk, half), ldk, d, half);
  for (; j < n; j++) dots_block(1, s + j, q, kv_row(k, j * ldk, half), ldk, d, half);
}

static void dots_f32_vec(float *s, const float *q, const float *k, size_t ldk, size_t n,
                         size_t d) {
  dots_any(s, q, k, ldk, n, d, false);
}

static void dots_f16_vec(float *s, const float *q, const uint16_t *k, size_t ldk, size_t n,
                         size_t d) {
  dots_any(s, q, k, ldk, n, d, true);
}

/* Eight vectors of the output stay in registers while all values pass by. */
static inline __attribute__((always_inline)) void
mix_any(float *o, const float *p, const void *v, size_t ldv, size_t n, size_t d, bool half) {
  size_t i = 0;
  for (; i + 8 * VEC <= d; i += 8 * VEC) {
    vec sum[8];
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; j++) sum[j] = vec_set(0);
    for (size_t r = 0; r < n; r++) {
      vec weight = vec_set(p[r]);
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; j++)
        sum[j] = vec_fma(weight, load_kv(v, r * ldv + i + j * VEC, half), sum[j]);
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; j++) vec_store(o + i + j * VEC, sum[j]);
  }
  for (; i < d; i += VEC) {
    size_t left = d - i < VEC ? d - i : VEC;
    vec sum = vec_set(0);
    for (size_t r = 0; r < n; r++) {
      vec x = left == VEC ? load_kv(v, r * ldv + i, half)
                          : load_kv_part(v, r * ldv + i, left, half);
      sum = vec_fma(vec_set(p[r]), x, sum);
    }
    vec_store_part(o + i, sum, left);
  }
}

static void mix_f32_vec(float *o, const float *p, const float *v, size_t ldv, size_t n,
                        size_t d) {
  mix_any(o, p, v, ldv, n, d, false);
}

static void mix_f16_vec(float *o, const float *p, const uint16_t *v, size_t ldv, size_t n,
                        size_t d) {
  mix_any(o, p, v, ldv, n, d, true);
}

#endif
