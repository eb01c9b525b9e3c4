/* vec_math.h - functions that are written once for all instruction sets, on a few operations
 * that each of them defines.
 *
 * An instruction set's vec_NAME.h defines: the type vec of VEC floats; vec_set, vec_load,
 * vec_store; vec_load_part and vec_store_part for the first n < VEC floats (the rest reads as
 * 0), vec_keep (zeroes the lanes from n on), the same loads from and stores to half precision;
 * vec_all_half (one half-precision number in every lane), vec_load_i8, vec_store_i8 and
 * vec_store_i16 (rounded to nearest even, and clipped), vec_dot32 (32 exact products, whose sum
 * is the sum of the lanes); vec_add, _sub, _mul, _div, _fma (a * b + c), _max and _min (if the
 * second operand is NaN, so is the result); vec_clamp (to [low, high]; NaN becomes low);
 * vec_sqrt; vec_where_positive(x, a), a in the lanes where x > 0, else 0;
 * vec_pair (lanes a, b, a, b, ...); vec_round (to nearest even), vec_floor, vec_store_i32
 * (whole numbers), vec_scale2 (a * 2^n for whole n, results normal); vec_sum and vec_top over
 * the lanes; and TILE_ROWS x TILE_VECS, the block of a product that stays in registers. A file
 * of the instruction set includes vec_NAME.h before this header. */
#ifndef GM_VEC_MATH_H
#define GM_VEC_MATH_H

/* Goes before a loop whose bounds are known at compile time (after inlining). Its array of
 * vectors then stays in registers. */
#if defined(__clang__)
#define GM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GM_UNROLL _Pragma("GCC unroll 16")
#endif

/* The first `left` <= VEC floats. */
static inline vec load_left(const float *p, size_t left) {
  return left == VEC ? vec_load(p) : vec_load_part(p, left);
}

static inline void store_left(float *p, vec x, size_t left) {
  if (left == VEC)
    vec_store(p, x);
  else
    vec_store_part(p, x, left);
}

/* e^x, within 2 units in the last place on [-87.3, 88.3]; outside of that it is the value at
 * the nearer end. NaN stays NaN. x = n ln 2 + r, |r| <= ln 2 / 2, and e^r by Taylor's
 * polynomial of degree 7, whose first term left out is below 6e-9. ln 2 is split in two so that
 * n ln 2 is exact enough. */
static inline vec vec_exp(vec x) {
  x = vec_min(vec_set(88.3F), vec_max(vec_set(-87.3F), x));
  vec n = vec_round(vec_mul(x, vec_set(1.44269504F)));
  vec r = vec_fma(n, vec_set(-0.693359375F), x);
  r = vec_fma(n, vec_set(2.12194440e-4F), r);
  vec p = vec_set(1.0F / 5040);
  p = vec_fma(p, r, vec_set(1.0F / 720));
  p = vec_fma(p, r, vec_set(1.0F / 120));
  p = vec_fma(p, r, vec_set(1.0F / 24));
  p = vec_fma(p, r, vec_set(1.0F / 6));
  p = vec_fma(p, r, vec_set(0.5F));
  p = vec_fma(p, r, vec_set(1));
  p = vec_fma(p, r, vec_set(1));
  return vec_scale2(p, n);
}

/* x / (1 + e^-(f x)), f >= 1. x is clipped at -88, because vec_exp ends at e^88; below that the
 * true value is 0 to within 1e-36. */
static inline vec vec_gate(vec x, float f) {
  x = vec_max(vec_set(-88), x);
  return vec_div(x, vec_add(vec_set(1), vec_exp(vec_mul(x, vec_set(-f)))));
}

static inline vec vec_silu(vec x) {
  return vec_gate(x, 1);
}

#endif
