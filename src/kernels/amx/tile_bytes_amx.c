/* tile_bytes_amx.c - the tile of products with quantised weights, on the packs of
 * matmul_tile_avx512vnni.c: per chunk of 256 elements, four steps of 64 bytes of k. A chunk's
 * sums are exact and are scaled as they are there, so the results are bit-identical.
 *
 * The processor's tiles multiply on their own, beside the vectors: the sums of a chunk are
 * stored, and scaled between the steps of the next. */
#include "activations.h"
#include "amx/kernels_amx.h"

#include <assert.h>
#include <immintrin.h>

enum {
  MR = GM_MR_AMX,
  NR = GM_NR_AMX,
  HALF = 16,
  LINE = 64,        /* bytes: of k, or of a row of a tile */
  W_LINE = 4 * NR,  /* four bytes of k of a whole panel */
  W_BYTES = 260,    /* as in gm_matmul, w_chunk_bytes */
  STEPS = 4,        /* of a whole chunk */
  PART = MR / STEPS /* rows that are scaled in a step */
};

typedef unsigned char bytes;

/* A chunk's sums, and what they are scaled with. */
typedef struct chunk_sums {
  _Alignas(64) int32_t sum[MR][NR];
  const float *dx, *dw;
  const int32_t *offset; /* -128 times the sums of activations */
  bool first;            /* nothing was added to acc before */
} chunk_sums;

/* acc = (first ? 0 : acc) + (sum + offset) * dx * dw, of rows [begin, end). */
static inline void add_scaled(float *acc, const chunk_sums *s, size_t begin, size_t end) {
  __m512 d0 = _mm512_loadu_ps(s->dw), d1 = _mm512_loadu_ps(s->dw + HALF);
  acc += begin * NR;
  for (size_t r = begin; r < end; r++, acc += NR) {
    __m512 d = _mm512_set1_ps(s->dx[r]);
    __m512i offset = _mm512_set1_epi32(s->offset[r]);
    __m512i t0 = _mm512_add_epi32(_mm512_load_si512(s->sum[r]), offset);
    __m512i t1 = _mm512_add_epi32(_mm512_load_si512(s->sum[r] + HALF), offset);
    __m512 a0 = s->first ? _mm512_setzero_ps() : _mm512_loadu_ps(acc);
    __m512 a1 = s->first ? _mm512_setzero_ps() : _mm512_loadu_ps(acc + HALF);
    a0 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(t0), _mm512_mul_ps(d, d0), a0);
    a1 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(t1), _mm512_mul_ps(d, d1), a1);
    _mm512_storeu_ps(acc, a0);
    _mm512_storeu_ps(acc + HALF, a1);
  }
}

/* Tiles are numbered in kernels_amx.h. Activations are signed, weights are not. */
static inline __attribute__((always_inline)) void multiply(const bytes *a, const bytes *w,
                                                           bool both) {
  _tile_loadd(6, w, W_LINE);
  _tile_loadd(4, a, LINE);
  _tile_dpbsud(0, 4, 6);
  _tile_loadd(7, w + LINE, W_LINE);
  _tile_dpbsud(1, 4, 7);
  if (!both) return;
  _tile_loadd(5, a + HALF * LINE, LINE);
  _tile_dpbsud(2, 5, 6);
  _tile_dpbsud(3, 5, 7);
}

static inline __attribute__((always_inline)) void clear(bool both) {
  _tile_zero(0);
  _tile_zero(1);
  if (!both) return;
  _tile_zero(2);
  _tile_zero(3);
}

static inline __attribute__((always_inline)) void store(chunk_sums *s, bool both) {
  _tile_stored(0, s->sum[0], sizeof s->sum[0]);
  _tile_stored(1, s->sum[0] + HALF, sizeof s->sum[0]);
  if (!both) return;
  _tile_stored(2, s->sum[HALF], sizeof s->sum[0]);
  _tile_stored(3, s->sum[HALF] + HALF, sizeof s->sum[0]);
}

/* The first `rows` rows; both: more than the first half. */
static inline __attribute__((always_inline)) void tile_rows(float *acc, const bytes *a,
                                                            const bytes *w, size_t k,
                                                            bool first, size_t rows,
                                                            bool both) {
  assert(k > 0 && k % 32 == 0);
  chunk_sums sums[2];
  const chunk_sums *before = NULL;
  for (size_t at = 0; at < k; at += GM_X_CHUNK, a += MR * GM_XT_BYTES, w += NR * W_BYTES) {
    size_t steps = (gm_x_blocks(k, at) + 1) / 2, scaled = 0;
    clear(both);
    for (size_t i = 0; i < steps; i++) {
      multiply(a + i * MR * LINE, w + i * HALF * W_LINE, both);
      if (!before) continue;
      size_t end = i + 1 == steps || scaled + PART > rows ? rows : scaled + PART;
      add_scaled(acc, before, scaled, end);
      scaled = end;
    }
    chunk_sums *now = &sums[at / GM_X_CHUNK % 2];
    store(now, both);
    now->dx = gm_xt_d(a, MR);
    now->offset = gm_xt_s(a, MR);
    now->dw = (const float *)(const void *)(w + 256 * NR);
    now->first = first && at == 0;
    before = now;
  }
  add_scaled(acc, before, 0, rows);
}

void gm_tile_bytes_amx(float *acc, const void *x, const void *panel, size_t k, bool first) {
  tile_rows(acc, x, panel, k, first, MR, true);
}

void gm_tile_part_bytes_amx(float *acc, const void *x, const void *panel, size_t k, bool first,
                            size_t rows) {
  assert(rows > 0 && rows <= MR);
  if (rows > HALF)
    tile_rows(acc, x, panel, k, first, rows, true);
  else
    tile_rows(acc, x, panel, k, first, rows, false);
}
