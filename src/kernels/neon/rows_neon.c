/* rows_neon.c - the row kernels for AArch64. */
#include "neon/vec_neon.h"

#include "rows_vec.h"

/* One 4 x 4 square: pairs of rows, then halves. */
static inline void transpose_square(float *y, size_t ldy, const float *x, size_t ldx) {
  float32x4x2_t a = vtrnq_f32(vld1q_f32(x), vld1q_f32(x + ldx));
  float32x4x2_t b = vtrnq_f32(vld1q_f32(x + 2 * ldx), vld1q_f32(x + 3 * ldx));
  for (size_t i = 0; i < 2; i++) {
    vst1q_f32(y + i * ldy, vcombine_f32(vget_low_f32(a.val[i]), vget_low_f32(b.val[i])));
    vst1q_f32(y + (i + 2) * ldy,
              vcombine_f32(vget_high_f32(a.val[i]), vget_high_f32(b.val[i])));
  }
}

static void transpose(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, size_t n) {
  size_t whole_rows = rows / 4 * 4, whole = n / 4 * 4;
  for (size_t r = 0; r < whole_rows; r += 4)
    for (size_t i = 0; i < whole; i += 4)
      transpose_square(y + i * ldy + r, ldy, x + r * ldx + i, ldx);
  for (size_t r = 0; r < rows; r++)
    for (size_t i = r < whole_rows ? whole : 0; i < n; i++) y[i * ldy + r] = x[r * ldx + i];
}

void gm_row_kernels_use_neon(gm_row_kernels *k) {
  use_vec(k);
  k->transpose = transpose;
}
