/* sha256.c - see sha256.h. Names follow FIPS 180-4, section 6.2. */
#include "sha256.h"

#include "bytes.h"
#include "gromatic.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};

static inline uint32_t rotr(uint32_t x, int n) {
  return x >> n | x << (32 - n);
}

static void compress(uint32_t state[8], const uint8_t *block) {
  uint32_t w[64];
  for (int t = 0; t < 16; t++) w[t] = gm_be32(block + 4 * t);
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int t = 0; t < 64; t++) {
    uint32_t t1 =
        h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + w[t];
    uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void gm_sha256_begin(gm_sha256_state *sha) {
  *sha = (gm_sha256_state){{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                            0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
                           0,
                           {0}};
}

void gm_sha256_add(gm_sha256_state *sha, const void *bytes, size_t n) {
  const uint8_t *from = bytes;
  size_t held = sha->length % 64;
  sha->length += n;
  if (held > 0) {
    size_t part = n < 64 - held ? n : 64 - held;
    memcpy(sha->block + held, from, part);
    from += part;
    n -= part;
    if (held + part < 64) return;
    compress(sha->state, sha->block);
  }
  for (; n >= 64; from += 64, n -= 64) compress(sha->state, from);
  if (n > 0) memcpy(sha->block, from, n);
}

void gm_sha256_add_text(gm_sha256_state *sha, const char *text) {
  gm_sha256_add(sha, text, strlen(text) + 1);
}

void gm_sha256_add_number(gm_sha256_state *sha, uint64_t number) {
  unsigned char bytes[8];
  gm_put_le(bytes, number, sizeof bytes);
  gm_sha256_add(sha, bytes, sizeof bytes);
}

void gm_sha256_end(gm_sha256_state *sha, char hex[65]) {
  static const uint8_t padding[64] = {0x80};
  uint64_t bits = sha->length * 8;
  size_t held = sha->length % 64;
  gm_sha256_add(sha, padding, held < 56 ? 56 - held : 120 - held);
  uint8_t size[8];
  gm_put_be(size, bits, sizeof size);
  gm_sha256_add(sha, size, sizeof size);
  assert(sha->length % 64 == 0); /* the last block is complete */
  for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08x", sha->state[i]);
}

void gm_sha256(const void *bytes, size_t size, char out[65]) {
  gm_sha256_state sha;
  gm_sha256_begin(&sha);
  gm_sha256_add(&sha, bytes, size);
  gm_sha256_end(&sha, out);
}

bool gm_sha256_bytes(const char *hex, unsigned char out[32]) {
  static const char digits[] = "0123456789abcdef";
  if (strlen(hex) != 64 || strspn(hex, digits) != 64) return false;
  for (size_t i = 0; i < 32; i++) {
    size_t high = (size_t)(strchr(digits, hex[2 * i]) - digits);
    out[i] = (unsigned char)(high << 4 | (size_t)(strchr(digits, hex[2 * i + 1]) - digits));
  }
  return true;
}
