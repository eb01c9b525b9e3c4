/* matmul_float_avx512.c - AVX-512: products with weights in f32, f16 and bf16, computed in f32
 * in tiles of 14 x 32: 28 sums, two vectors of the panel and one broadcast activation fill the
 * 32 registers. */
#include "avx512/kernels_avx512.h"
#include "avx512/transpose_avx512.h"

#include <immintrin.h>

enum { MR = 14, NR = 32 };

/* Loads the elements of `mask` from p as f32; the others are zero, and their memory is not
 * read. */
typedef __m512 (*load_fn)(const void *p, __mmask16 mask);

static inline __m512 load_f32(const void *p, __mmask16 mask) {
  return _mm512_maskz_loadu_ps(mask, p);
}

/* gcc does not drop a mask of all lanes, and a masked load of 16-bit lanes is slow. */
static inline __m256i load_half(const void *p, __mmask16 mask) {
  return mask == 0xFFFF ? _mm256_loadu_si256(p) : _mm256_maskz_loadu_epi16(mask, p);
}

static inline __m512 load_f16(const void *p, __mmask16 mask) {
  return _mm512_cvtph_ps(load_half(p, mask));
}

static inline __m512 load_bf16(const void *p, __mmask16 mask) {
  __m512i wide = _mm512_cvtepu16_epi32(load_half(p, mask));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static inline __mmask16 first_lanes(size_t n) {
  return (__mmask16)(n >= 16 ? 0xFFFFu : (1u << n) - 1u);
}

/* Writes `rows` rows of k elements as columns: dst[i * stride + row]. Where fewer than 16
 * columns are wanted (stride < 16), a store also writes into the place of the next one, which
 * then overwrites it; the last stores are masked. */
static inline __attribute__((always_inline)) void interleave(float *dst, size_t stride,
                                                             const char *src, size_t row_bytes,
                                                             size_t element, size_t rows,
                                                             size_t k, load_fn load) {
  __mmask16 last = first_lanes(stride);
  for (size_t i = 0; i < k; i += 16) {
    __mmask16 mask = first_lanes(k - i);
    __m512 r[16];
#pragma GCC unroll 16
    for (size_t j = 0; j < 16; j++)
      r[j] = j < rows ? load(src + j * row_bytes + i * element, mask) : _mm512_setzero_ps();
    gm_transpose16_avx512(r);
    float *out = dst + i * stride;
    if (k - i > 16) {
#pragma GCC unroll 16
      for (size_t j = 0; j < 16; j++) _mm512_storeu_ps(out + j * stride, r[j]);
    } else {
#pragma GCC unroll 16
      for (size_t j = 0; j < 16; j++)
        if (j < k - i) _mm512_mask_storeu_ps(out + j * stride, last, r[j]);
    }
  }
}

static void tile(float *acc, const void *x, const void *panel, size_t k, bool first) {
  const float *a = x, *b = panel;
  __m512 sum[MR][2];
#pragma GCC unroll 14
  for (size_t r = 0; r < MR; r++) {
    sum[r][0] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(acc + r * NR);
    sum[r][1] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(acc + r * NR + 16);
  }
  for (size_t i = 0; i < k; i++, a += MR, b += NR) {
    __m512 b0 = _mm512_load_ps(b), b1 = _mm512_load_ps(b + 16);
#pragma GCC unroll 14
    for (size_t r = 0; r < MR; r++) {
      __m512 v = _mm512_set1_ps(a[r]);
      sum[r][0] = _mm512_fmadd_ps(v, b0, sum[r][0]);
      sum[r][1] = _mm512_fmadd_ps(v, b1, sum[r][1]);
    }
  }
#pragma GCC unroll 14
  for (size_t r = 0; r < MR; r++) {
    _mm512_storeu_ps(acc + r * NR, sum[r][0]);
    _mm512_storeu_ps(acc + r * NR + 16, sum[r][1]);
  }
}

/* sum += 16 elements, or those of the mask, of J rows of w and R rows of x. */
static inline __attribute__((always_inline)) void
gemv_step(size_t J, size_t R, __m512 sum[8][4], const float *x, size_t ldx, const char *w,
          size_t row_bytes, __mmask16 mask, load_fn load) {
  __m512 v[4];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; r++) v[r] = load_f32(x + r * ldx, mask);
#pragma GCC unroll 8
  for (size_t j = 0; j < J; j++) {
    __m512 weights = load(w + j * row_bytes, mask);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) sum[j][r] = _mm512_fmadd_ps(v[r], weights, sum[j][r]);
  }
}

/* y of J rows of w with R rows of x; each is one chain over k in steps of 16, so the result
 * depends on neither J nor R. */
static inline __attribute__((always_inline)) void
gemv_block(size_t J, size_t R, float *y, size_t ldy, const float *x, const char *w,
           size_t row_bytes, size_t element, size_t k, load_fn load) {
  __m512 sum[8][4];
#pragma GCC unroll 8
  for (size_t j = 0; j < J; j++)
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) sum[j][r] = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= k; i += 16)
    gemv_step(J, R, sum, x + i, k, w + i * element, row_bytes, 0xFFFF, load);
  if (i < k)
    gemv_step(J, R, sum, x + i, k, w + i * element, row_bytes, first_lanes(k - i), load);
#pragma GCC unroll 8
  for (size_t j = 0; j < J; j++)
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) y[r * ldy + j] = _mm512_reduce_add_ps(sum[j][r]);
}

static inline size_t gemv_columns(size_t R) {
  return R == 1 ? 8 : 4;
}

#include "matmul_float_vec.h"

const gm_matmul gm_matmul_f32_avx512 = FLOAT_PRODUCT(pack_w_f32, gemv_f32);
const gm_matmul gm_matmul_f16_avx512 = FLOAT_PRODUCT(pack_w_f16, gemv_f16);
const gm_matmul gm_matmul_bf16_avx512 = FLOAT_PRODUCT(pack_w_bf16, gemv_bf16);
