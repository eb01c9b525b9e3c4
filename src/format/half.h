/* half.h - half precision and bfloat16, to single and back, rounded to nearest even. */
#ifndef GM_HALF_H
#define GM_HALF_H

#include "bytes.h"

/* Half to single: exponent and mantissa shifted into place are the value times 2^-112, exactly,
 * subnormals included; infinities and NaN get the single's exponent. */
static inline float gm_f16_to_f32(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = (uint32_t)(h & 0x7FFFu) << 13;
  if ((h & 0x7C00u) == 0x7C00u) return gm_float_of(sign | 0x7F800000u | rest);
  return gm_float_of(sign | gm_bits_of(gm_float_of(rest) * 0x1p112f));
}

/* Single to half. Below the smallest normal half an addition of 0.5 lets the adder round at the
 * place of the subnormal's last bit; above it the dropped 13 bits are rounded in integers. */
static inline uint16_t gm_f32_to_f16(float f) {
  uint32_t u = gm_bits_of(f), sign = (u >> 16) & 0x8000u, mag = u & 0x7FFFFFFFu;
  if (mag > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | ((mag >> 13) & 0x1FFu));
  if (mag >= 0x47800000u) return (uint16_t)(sign | 0x7C00u); /* 65536 and more */
  if (mag < 0x38800000u)
    return (uint16_t)(sign | (gm_bits_of(gm_float_of(mag) + 0.5f) - 0x3F000000u));
  mag += 0xFFFu + ((mag >> 13) & 1u);
  return (uint16_t)(sign | ((mag - 0x38000000u) >> 13));
}

static inline float gm_bf16_to_f32(uint16_t h) {
  return gm_float_of((uint32_t)h << 16);
}

static inline uint16_t gm_f32_to_bf16(float f) {
  uint32_t u = gm_bits_of(f);
  if ((u & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)((u >> 16) | 64u); /* a quiet NaN */
  return (uint16_t)((u + 0x7FFFu + ((u >> 16) & 1u)) >> 16);
}

#endif
