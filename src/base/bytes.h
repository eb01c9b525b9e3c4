/* bytes.h - numbers as bytes: little and big endian, at any address, whatever the machine's own
 * order. The caller checks that the bytes exist. Thread-safe. */
#ifndef GM_BYTES_H
#define GM_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- fixed widths, for inner loops: each is one load ---- */

static inline uint16_t gm_le16(const void *bytes) {
  const unsigned char *b = bytes;
  return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t gm_le32(const void *bytes) {
  const unsigned char *b = bytes;
  return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t gm_le64(const void *bytes) {
  const unsigned char *b = bytes;
  return gm_le32(b) | (uint64_t)gm_le32(b + 4) << 32;
}

static inline uint32_t gm_be32(const void *bytes) {
  const unsigned char *b = bytes;
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | (uint32_t)b[3];
}

/* ---- any width of at most 8 bytes ---- */

/* The unsigned number in n bytes, lowest first; 0 where n is 0. */
static inline uint64_t gm_le(const void *bytes, size_t n) {
  const unsigned char *b = bytes;
  uint64_t value = 0;
  while (n-- > 0) value = value << 8 | b[n];
  return value;
}

/* The same, highest first. */
static inline uint64_t gm_be(const void *bytes, size_t n) {
  const unsigned char *b = bytes;
  uint64_t value = 0;
  for (size_t i = 0; i < n; i++) value = value << 8 | b[i];
  return value;
}

/* Writes the low n bytes of value, lowest first. */
static inline void gm_put_le(void *bytes, uint64_t value, size_t n) {
  unsigned char *b = bytes;
  for (size_t i = 0; i < n; i++, value >>= 8) b[i] = (unsigned char)value;
}

/* The same, highest first. */
static inline void gm_put_be(void *bytes, uint64_t value, size_t n) {
  unsigned char *b = bytes;
  for (; n-- > 0; value >>= 8) b[n] = (unsigned char)value;
}

/* ---- the bits of a float ---- */

static inline uint32_t gm_bits_of(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

static inline float gm_float_of(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

#endif
