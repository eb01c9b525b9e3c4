/* activations_ref.c - plain C: packs rows of activations, as they are or rounded to int8. */
#include "ref/kernels_ref.h"

#include <assert.h>
#include <math.h>

void gm_pack_x_f32_ref(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                       size_t k) {
  assert(rows <= group);
  float *out = dst;
  for (size_t i = 0; i < k; i++)
    for (size_t r = 0; r < group; r++) out[i * group + r] = r < rows ? x[r * ldx + i] : 0.0f;
}

/* The largest magnitude; as bits, among which NaN's are the largest. */
static float top_of(const float *x, size_t n) {
  uint32_t top = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = gm_bits_of(x[i]) & 0x7FFFFFFFu;
    top = bits > top ? bits : top;
  }
  return gm_float_of(top);
}

static int32_t round16(int8_t *q, const float *x, float inverse) {
  int32_t sum = 0;
  for (size_t i = 0; i < 16; i++) {
    float v = x[i] * inverse;
    q[i] = v > -128.0f && v < 128.0f ? (int8_t)rintf(v) : 0;
    sum += q[i];
  }
  return sum;
}

static void round32(int8_t *q, const float *x, float inverse, int32_t *low, int32_t *high) {
  *low = round16(q, x, inverse);
  *high = round16(q + 16, x + 16, inverse);
}

#include "activations_vec.h"

void gm_pack_x32_ref(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                     size_t k) {
  pack_x32(dst, x, ldx, rows, group, k);
}

void gm_pack_xk_ref(void *dst, const float *x, size_t ldx, size_t rows, size_t group,
                    size_t k) {
  pack_xk(dst, x, ldx, rows, group, k);
}
