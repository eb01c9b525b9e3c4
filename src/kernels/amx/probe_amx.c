/* probe_amx.c - see probe_kernels.h: four chains of tiles, each of 16 x 16 sums of 64 bytes or
 * of 32 bf16, as products have them. */
#include "amx/kernels_amx.h"

#include <immintrin.h>
#include <string.h>

enum { SUMS = 16 * 16, CHAINS = 4 };

/* All factors from `factor`, sums zero. */
static void begin(const void *factor) {
  gm_begin_amx();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, factor, 64);
  _tile_loadd(5, factor, 64);
  _tile_loadd(6, factor, 64);
  _tile_loadd(7, factor, 64);
}

/* One of the sums' first words. */
static int32_t end(void) {
  int32_t sums[SUMS];
  _tile_stored(3, sums, 64);
  gm_end_amx();
  return sums[0];
}

uint64_t gm_probe_int8_amx(size_t n, int32_t *sink) {
  int8_t factor[4 * SUMS];
  memset(factor, *sink & 7, sizeof factor);
  begin(factor);
  for (size_t i = 0; i < n; i++) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  *sink ^= end();
  return (uint64_t)n * CHAINS * SUMS * 64 * 2;
}

uint64_t gm_probe_bf16_amx(size_t n, float *sink) {
  /* 2^-60 or so, so that sums stay finite whatever n is. */
  uint16_t factor[2 * SUMS];
  for (size_t i = 0; i < 2 * SUMS; i++) factor[i] = *sink > 0 ? 0x2180 : 0x2181;
  begin(factor);
  for (size_t i = 0; i < n; i++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  *sink += (float)(end() & 1);
  return (uint64_t)n * CHAINS * SUMS * 32 * 2;
}
