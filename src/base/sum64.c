/* sum64.c - see sum64.h. Four lanes of 8 bytes, so that the multiplications overlap. Each step
 * of a lane is invertible, so a changed word always changes its lane. The lanes are joined by
 * the same step. */
#include "sum64.h"

#include <string.h>

enum { BLOCK = 32 };

static const uint64_t odd = 0x9E3779B97F4A7C15u; /* 2^64 over the golden ratio, made odd */

static uint64_t step(uint64_t lane, uint64_t word) {
  uint64_t x = lane ^ word;
  return (x << 29 | x >> 35) * odd;
}

static void take_block(uint64_t lanes[4], const unsigned char *at) {
  for (int i = 0; i < 4; i++) {
    uint64_t word;
    memcpy(&word, at + 8 * i, sizeof word);
    lanes[i] = step(lanes[i], word);
  }
}

gm_sum64_state gm_sum64_begin(void) {
  return (gm_sum64_state){.lanes = {odd, odd + 1, odd + 2, odd + 3}};
}

void gm_sum64_add(gm_sum64_state *sum, const void *bytes, size_t n) {
  const unsigned char *at = bytes;
  size_t held = sum->length % BLOCK;
  sum->length += n;
  if (held) {
    size_t taken = n < BLOCK - held ? n : BLOCK - held;
    memcpy(sum->rest + held, at, taken);
    if (held + taken < BLOCK) return;
    take_block(sum->lanes, sum->rest);
    at += taken;
    n -= taken;
  }
  uint64_t lanes[4];
  memcpy(lanes, sum->lanes, sizeof lanes);
  for (; n >= BLOCK; n -= BLOCK, at += BLOCK) take_block(lanes, at);
  memcpy(sum->lanes, lanes, sizeof lanes);
  if (n) memcpy(sum->rest, at, n);
}

uint64_t gm_sum64_end(gm_sum64_state *sum) {
  size_t held = sum->length % BLOCK;
  memset(sum->rest + held, 0, BLOCK - held);
  take_block(sum->lanes, sum->rest);
  uint64_t all = sum->length;
  for (int i = 0; i < 4; i++) all = step(all, sum->lanes[i]);
  return all ^ all >> 32;
}

uint64_t gm_sum64(const void *bytes, size_t n) {
  gm_sum64_state sum = gm_sum64_begin();
  gm_sum64_add(&sum, bytes, n);
  return gm_sum64_end(&sum);
}
