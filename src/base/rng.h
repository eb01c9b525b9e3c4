/* rng.h - the project's one random generator: SplitMix64 (Steele, Lea, Flood 2014), so that a
 * seed gives the same draws on every machine and in every thread order. */
#ifndef GM_RNG_H
#define GM_RNG_H

#include <stdint.h>

typedef struct gm_rng {
  uint64_t state;
} gm_rng;

/* The output function alone: a good 64-bit mixer. */
static inline uint64_t gm_mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static inline uint64_t gm_rng_u64(gm_rng *rng) {
  return gm_mix64(rng->state += 0x9E3779B97F4A7C15u);
}

/* Uniform in [0, 1) with 53 random bits. */
static inline double gm_rng_unit(gm_rng *rng) {
  return (double)(gm_rng_u64(rng) >> 11) * 0x1p-53;
}

/* FNV-1a 64 of the bytes; names and contents become seeds with it. */
static inline uint64_t gm_fnv1a(const void *bytes, uint64_t n) {
  const unsigned char *b = bytes;
  uint64_t h = 0xCBF29CE484222325u;
  for (uint64_t i = 0; i < n; i++) h = (h ^ b[i]) * 0x100000001B3u;
  return h;
}

#endif
