/* rows_avx2.c - the row kernels for AVX2; the transposed copy serves AVX-512 too. */
#include "avx2/vec_avx2.h"

#include "rows_vec.h"

/* One 8 x 8 square: pairs of rows, then pairs of pairs, then halves. */
static inline void transpose_square(float *y, size_t ldy, const float *x, size_t ldx) {
  __m256 a[8], b[8];
  GM_UNROLL
  for (size_t i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(x + i * ldx);
  GM_UNROLL
  for (size_t i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
  GM_UNROLL
  for (size_t i = 0; i < 8; i += 4) {
    a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
    a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
    a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
    a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
  }
  GM_UNROLL
  for (size_t i = 0; i < 4; i++) {
    _mm256_storeu_ps(y + i * ldy, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
    _mm256_storeu_ps(y + (i + 4) * ldy, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
  }
}

static void transpose(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, size_t n) {
  size_t whole_rows = rows / 8 * 8, whole = n / 8 * 8;
  for (size_t r = 0; r < whole_rows; r += 8)
    for (size_t i = 0; i < whole; i += 8)
      transpose_square(y + i * ldy + r, ldy, x + r * ldx + i, ldx);
  for (size_t r = 0; r < rows; r++)
    for (size_t i = r < whole_rows ? whole : 0; i < n; i++) y[i * ldy + r] = x[r * ldx + i];
}

void gm_row_kernels_use_avx2(gm_row_kernels *k) {
  use_vec(k);
  k->transpose = transpose;
}
