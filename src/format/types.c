/* types.c - see types.h. Reading of every type, writing of all but the K types (quantise_k.c).
 * The arithmetic is that of ggml's reference (as the gguf package's quants module restates it):
 * results are bit-identical, so nothing here may be reordered or contracted. */
#include "types.h"

#include "quantise_k.h"
#include "widen_k.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* 0 if the inverse would not be finite: the scale is then 0 in half precision too. */
static float inverse_of(float d) {
  return fabsf(d) >= 0x1p-126f ? 1.0f / d : 0;
}

static void f32_to_float(float *y, const void *x, size_t n) {
  memcpy(y, x, n * sizeof *y);
}

static void f32_from_float(void *y, const float *x, size_t n) {
  memcpy(y, x, n * sizeof *x);
}

static void f16_to_float(float *y, const void *x, size_t n) {
  const uint16_t *h = x;
  for (size_t i = 0; i < n; i++) y[i] = gm_f16_to_f32(h[i]);
}

static void f16_from_float(void *y, const float *x, size_t n) {
  uint16_t *h = y;
  for (size_t i = 0; i < n; i++) h[i] = gm_f32_to_f16(x[i]);
}

static void bf16_to_float(float *y, const void *x, size_t n) {
  const uint16_t *h = x;
  for (size_t i = 0; i < n; i++) y[i] = gm_bf16_to_f32(h[i]);
}

static void bf16_from_float(void *y, const float *x, size_t n) {
  uint16_t *h = y;
  for (size_t i = 0; i < n; i++) h[i] = gm_f32_to_bf16(x[i]);
}

static void q8_0_to_float(float *y, const void *x, size_t n) {
  const gm_block_q8_0 *b = x;
  for (size_t i = 0; i < n / 32; i++) {
    float d = gm_f16_to_f32(b[i].d);
    for (size_t j = 0; j < 32; j++) y[i * 32 + j] = d * (float)b[i].qs[j];
  }
}

/* A NaN makes its block's scale NaN, so that the whole block reads as NaN. */
static void q8_0_from_float(void *y, const float *x, size_t n) {
  gm_block_q8_0 *b = y;
  for (size_t i = 0; i < n / 32; i++, x += 32) {
    float largest = 0;
    for (size_t j = 0; j < 32; j++)
      if (isnan(x[j]) || fabsf(x[j]) > largest) largest = fabsf(x[j]);
    float d = largest / 127.0f, inverse = inverse_of(d);
    b[i].d = gm_f32_to_f16(d);
    for (size_t j = 0; j < 32; j++) {
      float q = roundf(x[j] * inverse);
      b[i].qs[j] = isnan(q) ? 0 : (int8_t)q;
    }
  }
}

static void q4_0_to_float(float *y, const void *x, size_t n) {
  const gm_block_q4_0 *b = x;
  for (size_t i = 0; i < n / 32; i++, y += 32) {
    float d = gm_f16_to_f32(b[i].d);
    for (size_t j = 0; j < 16; j++) {
      y[j] = d * (float)((b[i].qs[j] & 15) - 8);
      y[j + 16] = d * (float)((b[i].qs[j] >> 4) - 8);
    }
  }
}

/* The value of largest magnitude becomes -8 exactly. ggml's result comes from a fused
 * multiply-add. Product and sum in double, rounded to single, give the same. */
static uint8_t q4_0_level(float x, float inverse) {
  float level = truncf((float)((double)x * (double)inverse + 8.5));
  return level > 15 ? 15 : (uint8_t)level;
}

static void q4_0_from_float(void *y, const float *x, size_t n) {
  gm_block_q4_0 *b = y;
  for (size_t i = 0; i < n / 32; i++, x += 32) {
    float extreme = 0;
    for (size_t j = 0; j < 32; j++)
      if (fabsf(x[j]) > fabsf(extreme)) extreme = x[j];
    float d = extreme / -8.0f, inverse = inverse_of(d);
    b[i].d = gm_f32_to_f16(d);
    for (size_t j = 0; j < 16; j++)
      b[i].qs[j] = (uint8_t)(q4_0_level(x[j], inverse) | q4_0_level(x[j + 16], inverse) << 4);
  }
}

static const gm_type_traits traits[GM_TYPE_COUNT] = {
    [GM_TYPE_F32] = {"f32", 1, 4, false, f32_to_float, f32_from_float},
    [GM_TYPE_F16] = {"f16", 1, 2, false, f16_to_float, f16_from_float},
    [GM_TYPE_BF16] = {"bf16", 1, 2, false, bf16_to_float, bf16_from_float},
    [GM_TYPE_Q4_0] = {"q4_0", 32, 18, true, q4_0_to_float, q4_0_from_float},
    [GM_TYPE_Q8_0] = {"q8_0", 32, 34, true, q8_0_to_float, q8_0_from_float},
    [GM_TYPE_Q4_K] = {"q4_k", 256, 144, true, widen_q4_k, gm_q4_k_from_float},
    [GM_TYPE_Q6_K] = {"q6_k", 256, 210, true, widen_q6_k, gm_q6_k_from_float},
};

const gm_type_traits *gm_type_traits_of(uint32_t type) {
  return type < GM_TYPE_COUNT && traits[type].name ? &traits[type] : NULL;
}

bool gm_type_from_name(const char *name, gm_type *out) {
  for (unsigned i = 0; i < GM_TYPE_COUNT; i++)
    if (traits[i].name && strcasecmp(traits[i].name, name) == 0) {
      *out = (gm_type)i;
      return true;
    }
  return false;
}

size_t gm_type_row_bytes(gm_type type, size_t n) {
  assert(gm_type_traits_of(type) && n % traits[type].block == 0);
  return n / traits[type].block * traits[type].block_bytes;
}
