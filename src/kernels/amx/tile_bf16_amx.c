/* tile_bf16_amx.c - the tile of products whose factors are both rounded to bf16, on the packs
 * of matmul_rounded_avx512bf16.c. In a step, 32 elements of k, an instruction sums even and odd
 * elements apart, in f32 and in their order, then adds both to the sum so far; it counts
 * denormal numbers as zero. So results are not those of vdpbf16ps to the last bit, which adds
 * pair after pair. */
#include "amx/kernels_amx.h"

#include <assert.h>
#include <immintrin.h>

enum {
  NR = GM_NR_AMX,
  HALF = 16,
  LINE = 64, /* bytes: 32 elements of k, or a row of a tile */
  CHUNK = 32,
  W_LINE = 4 * NR, /* a pair of k of a whole panel */
  X_STEP = GM_MR_AMX * LINE,
  W_STEP = CHUNK / 2 * W_LINE,
  ACC_LINE = NR * sizeof(float)
};

typedef unsigned char bytes;

static inline __attribute__((always_inline)) void multiply(const bytes *a, const bytes *w,
                                                           bool both) {
  _tile_loadd(6, w, W_LINE);
  _tile_loadd(4, a, LINE);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, w + LINE, W_LINE);
  _tile_dpbf16ps(1, 4, 7);
  if (!both) return;
  _tile_loadd(5, a + HALF * LINE, LINE);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

static inline __attribute__((always_inline)) void begin_sums(const float *acc, bool first,
                                                             bool both) {
  if (first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    return;
  }
  _tile_loadd(0, acc, ACC_LINE);
  _tile_loadd(1, acc + HALF, ACC_LINE);
  if (!both) return;
  _tile_loadd(2, acc + HALF * NR, ACC_LINE);
  _tile_loadd(3, acc + HALF * NR + HALF, ACC_LINE);
}

/* both: not only the first half of the rows. */
static inline __attribute__((always_inline)) void
tile_rows(float *acc, const bytes *a, const bytes *w, size_t k, bool first, bool both) {
  begin_sums(acc, first, both);
  for (size_t at = 0; at < k; at += CHUNK, a += X_STEP, w += W_STEP) multiply(a, w, both);
  _tile_stored(0, acc, ACC_LINE);
  _tile_stored(1, acc + HALF, ACC_LINE);
  if (!both) return;
  _tile_stored(2, acc + HALF * NR, ACC_LINE);
  _tile_stored(3, acc + HALF * NR + HALF, ACC_LINE);
}

void gm_tile_bf16_amx(float *acc, const void *x, const void *panel, size_t k, bool first) {
  tile_rows(acc, x, panel, k, first, true);
}

void gm_tile_part_bf16_amx(float *acc, const void *x, const void *panel, size_t k, bool first,
                           size_t rows) {
  assert(rows > 0 && rows <= GM_MR_AMX);
  tile_rows(acc, x, panel, k, first, rows > HALF);
}
