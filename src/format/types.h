/* types.h - the element types of tensors and their properties, in one table. The numbers and
 * the byte layouts are ggml's, so that GGUF files can be exchanged. */
#ifndef GM_TYPES_H
#define GM_TYPES_H

#include "half.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum gm_type {
  GM_TYPE_F32 = 0,
  GM_TYPE_F16 = 1,
  GM_TYPE_Q4_0 = 2,
  GM_TYPE_Q8_0 = 8,
  GM_TYPE_Q4_K = 12,
  GM_TYPE_Q6_K = 14,
  GM_TYPE_BF16 = 30,
  GM_TYPE_COUNT = 31
} gm_type;

typedef struct gm_type_traits {
  const char *name; /* "q4_k"; NULL if the number is not a known type */
  size_t block;     /* elements per block: 1, 32 or 256 */
  size_t block_bytes;
  bool quantised;
  /* n is a multiple of block. */
  void (*to_float)(float *y, const void *x, size_t n);
  void (*from_float)(void *y, const float *x, size_t n);
} gm_type_traits;

/* NULL for an unknown number. */
const gm_type_traits *gm_type_traits_of(uint32_t type);
/* "Q4_K", "q4_k", ... -> type; false if unknown. */
bool gm_type_from_name(const char *name, gm_type *out);
/* Bytes of n elements (a multiple of the block). */
size_t gm_type_row_bytes(gm_type type, size_t n);

/* ggml's block layouts (little endian). */
typedef struct gm_block_q4_0 {
  uint16_t d;     /* f16 scale */
  uint8_t qs[16]; /* element i in the low half of qs[i], element i + 16 in the high; minus 8 */
} gm_block_q4_0;

typedef struct gm_block_q8_0 {
  uint16_t d;
  int8_t qs[32];
} gm_block_q8_0;

/* 256 elements in 8 sub-blocks of 32: x = d * scale * q - dmin * min, scale and min 6 bits. */
typedef struct gm_block_q4_k {
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t qs[128];
} gm_block_q4_k;

/* 256 elements in 16 sub-blocks of 16: x = d * scale * (q - 32), scale 8 bits, q 6 bits. */
typedef struct gm_block_q6_k {
  uint8_t ql[128], qh[64];
  int8_t scales[16];
  uint16_t d;
} gm_block_q6_k;

_Static_assert(sizeof(gm_block_q4_0) == 18 && sizeof(gm_block_q8_0) == 34, "ggml layout");
_Static_assert(sizeof(gm_block_q4_k) == 144 && sizeof(gm_block_q6_k) == 210, "ggml layout");

#endif
