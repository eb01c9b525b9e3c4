/* activations.h - how rows of activations are packed for products with block types. Few rows
 * use the first two forms, and so do the tiles of most instruction sets. The other forms are
 * for tiles only.
 *
 * A tile of `group` rows is a sequence of chunks of up to 256 elements. Every chunk has room
 * for all of its elements, even the last one, where k may end inside it. A chunk holds, in this
 * order:
 *
 *   for blocks of 32 (Q8_0, Q4_0)          for blocks of 256 (Q4_K, Q6_K)
 *   int8  q[8][group][32]                  int8  q[8][group][32]  in the order of gm_xk_place
 *   float d[8][group]    x = d * q         int16 s16[8][group][2] sums of q over 16 elements
 *   int32 s[8][group]    -128 * sum of q   int16 s32[4][group][2] sums over 32 elements
 *                                          float d[group]         x = d * q; then 12 unused
 *                                                                 bytes a row
 *   GM_TILE_BYTES                          GM_TILE_WORDS
 *   int8  q[8][group][32]                  int16 q[4][group][16]  chunks are of 64 elements
 *   float d[group]       x = d * q         float d[group]         x = d * q
 *   int32 s[group]       -128 * sum of q
 *   GM_TILE_QUADS                          GM_TILE_LINES
 *   uint8 q[8][group][32]                  int8  q[4][group][64]  zeros where k ends in between
 *   float d[group]       x = d * (q - 128) float d[group], int32 s[group] as GM_TILE_BYTES
 *
 * q = x / d rounded to nearest even (for quads plus 128). d = max |x| / 127 over the block, or
 * for words max |x| / 4095; it is NaN where a value is NaN. Weights are made unsigned by an
 * offset: 32 for Q6_K, 128 for Q8_0 and Q4_0. The sums serve to subtract what the offset adds
 * to a product (for 128 they contain the factor). Neighbouring 16-bit sums lie side by side for
 * products of pairs. */
#ifndef GM_ACTIVATIONS_H
#define GM_ACTIVATIONS_H

#include <stddef.h>
#include <stdint.h>

enum {
  GM_X_CHUNK = 256,
  GM_X32_BYTES = 320,
  GM_XK_BYTES = 320,
  GM_XT_BYTES = 264,
  GM_XW_CHUNK = 64,
  GM_XW_BYTES = 132,
  GM_XU_BYTES = 260
};

/* The largest magnitudes of words, for activations and for weights: the sum of 64 of their
 * products stays below 2^31. */
#define GM_XW_TOP 4095
#define GM_WW_TOP 8191

/* Values whose largest magnitude is not above this count as zero, because 127 / max must stay
 * finite. */
#define GM_X_TINY 1e-30f

/* 1 / d and d of a block. `top` is the largest magnitude of its values, `most` the largest
 * magnitude after rounding. If one of the values is NaN, top must be NaN. Then d is NaN, and so
 * are all products with the block, as in f32. */
static inline float gm_x_inverse(float top, float most) {
  return top > GM_X_TINY ? most / top : 0.0f;
}

static inline float gm_x_step(float top, float most) {
  return top <= GM_X_TINY ? 0.0f : top / most;
}

/* Blocks of 32 elements in the chunk that begins at element `at` of k. */
static inline size_t gm_x_blocks(size_t k, size_t at) {
  return (k - at < GM_X_CHUNK ? k - at : GM_X_CHUNK) / 32;
}

/* The 32 values of block `b` and row `r`. */
static inline const int8_t *gm_x_q(const unsigned char *chunk, size_t group, size_t b,
                                   size_t r) {
  return (const int8_t *)chunk + (b * group + r) * 32;
}

/* The same for blocks of 256. In them parts 1 and 2 are swapped, and so are parts 5 and 6. The
 * low half bytes of 64 bytes of Q4_K are parts 0 and 2, the high ones parts 1 and 3; after the
 * swap each of these pairs meets neighbouring activations. */
static inline size_t gm_xk_place(size_t b) {
  return (b & 4) | (b & 1) << 1 | (b >> 1 & 1);
}

static inline const int8_t *gm_xk_q(const unsigned char *chunk, size_t group, size_t b,
                                    size_t r) {
  return gm_x_q(chunk, group, gm_xk_place(b), r);
}

static inline const float *gm_x32_d(const unsigned char *chunk, size_t group) {
  return (const float *)(const void *)(chunk + 256 * group);
}

static inline const int32_t *gm_x32_s(const unsigned char *chunk, size_t group) {
  return (const int32_t *)(const void *)(chunk + 288 * group);
}

static inline const float *gm_xt_d(const unsigned char *chunk, size_t group) {
  return (const float *)(const void *)(chunk + 256 * group);
}

static inline const int32_t *gm_xt_s(const unsigned char *chunk, size_t group) {
  return (const int32_t *)(const void *)(chunk + 260 * group);
}

static inline const int16_t *gm_xk_s16(const unsigned char *chunk, size_t group) {
  return (const int16_t *)(const void *)(chunk + 256 * group);
}

static inline const int16_t *gm_xk_s32(const unsigned char *chunk, size_t group) {
  return (const int16_t *)(const void *)(chunk + 288 * group);
}

static inline const float *gm_xk_d(const unsigned char *chunk, size_t group) {
  return (const float *)(const void *)(chunk + 304 * group);
}

#endif
