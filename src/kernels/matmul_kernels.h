/* matmul_kernels.h - inner loops of products of activations with weights of one type, and what
 * is done to their results. */
#ifndef GM_MATMUL_KERNELS_H
#define GM_MATMUL_KERNELS_H

#include "types.h"

typedef enum gm_act {
  GM_ACT_NONE,
  GM_ACT_RELU,
  GM_ACT_GELU,       /* v * Phi(v), by erf */
  GM_ACT_GELU_TANH,  /* v * sigmoid(2 sqrt(2 / pi) (v + 0.044715 v^3)), by tanh in PyTorch */
  GM_ACT_QUICK_GELU, /* v * sigmoid(1.702 v) */
  GM_ACT_SILU        /* v * sigmoid(v) */
} gm_act;

/* What is done to a product before it is stored: v = act(acc + bias) * scale; y = v or y += v.
 * The pointers belong to the first column of the call; NULL: left out. */
typedef struct gm_epilogue {
  const float *bias, *scale;
  gm_act act;
  bool accumulate;
} gm_epilogue;

/* How the numbers of a tile are stored. GM_TILE_AS_ROWS: as for gemv, or as bf16. The other
 * forms are forms 3 to 6 of activations.h. They round the numbers again, and tile() differs
 * from gemv() by that rounding. GM_TILE_BYTES: activations and weights are bytes with one scale
 * for 256 elements of a row. GM_TILE_WORDS: both are words with one scale for 64 elements.
 * GM_TILE_QUADS: activations are such bytes; weights are bytes with a step of their own for 8
 * elements, and among four neighbours those of one sign add up to 128 at most. GM_TILE_LINES:
 * as GM_TILE_BYTES, to the last bit, but activations lie in lines of 64 bytes. */
typedef enum gm_tile_form {
  GM_TILE_AS_ROWS,
  GM_TILE_BYTES,
  GM_TILE_WORDS,
  GM_TILE_QUADS,
  GM_TILE_LINES
} gm_tile_form;

/* The product y[m, n] = x[m, k] . w[n, k]^T for one type of w, in two ways.
 *
 * Many rows: activations are packed (and, for quantised w, rounded to int8) in tiles of mr
 * rows, rows of w are unpacked to panels of nr, and tile() multiplies one by the other. Each
 * element is one chain of sums in the order of k, which continues where k is cut. So a row's
 * result does not depend on m, on its place among the rows or on the cut.
 *
 * Few rows (gemv): the weights are read once from their own layout. A row's result does not
 * depend on m; it equals tile()'s up to rounding, because the order of the sums differs.
 *
 * k is a multiple of `block`, and cut at multiples of `chunk` only. */
typedef struct gm_matmul {
  size_t mr, nr; /* rows of a tile, rows of w in a panel */
  size_t block;  /* 1, 32 or 256 */
  size_t chunk;  /* 1, 32, 64 or 256: the bytes of x and of a panel below are per chunk, and a
                  * chunk that is begun counts as whole */
  size_t x_chunk_bytes; /* packed activations: bytes per row and chunk, a multiple of 4 */
  size_t w_chunk_bytes; /* panel: bytes per row of w and chunk, a multiple of 4 */
  /* Packs `rows` <= group rows of x (row stride ldx) as one tile of `group` rows (mr, or 1 for
   * gemv); rows that are missing become zero. dst: group * x_chunk_bytes * chunks, each chunk
   * all rows' x_chunk_bytes. */
  void (*pack_x)(void *dst, const float *x, size_t ldx, size_t rows, size_t group, size_t k);
  /* Unpacks elements [0, k) of `rows` <= nr rows of w (row_bytes apart) to one panel; rows that
   * are missing become zero. panel: nr * w_chunk_bytes * chunks, 64-byte aligned. */
  void (*pack_w)(void *panel, const void *w, size_t row_bytes, size_t rows, size_t k);
  /* acc[mr][nr] = (first ? 0 : acc) + x . panel^T over k elements. */
  void (*tile)(float *acc, const void *x, const void *panel, size_t k, bool first);
  /* NULL in a product for many rows only. y[m, n] (row stride ldy) = x . w^T; x: m <=
   * GM_GEMV_ROWS tiles of one row. */
  void (*gemv)(float *y, size_t ldy, const void *x, size_t m, const void *w, size_t row_bytes,
               size_t n, size_t k);
  gm_tile_form form;
  size_t row_chunk_bytes; /* as x_chunk_bytes, of a row packed alone for gemv */
  /* tile() for the first `rows` rows of a tile that is not full. It computes the same values in
   * less time; the other rows of acc may then hold anything. NULL if nothing is gained. */
  void (*tile_part)(float *acc, const void *x, const void *panel, size_t k, bool first,
                    size_t rows);
  /* What a thread must do before its first tile() or tile_part() of a task, and after its last;
   * NULL: nothing. In between it may call them of any product of the same table. */
  void (*begin)(void);
  void (*end)(void);
} gm_matmul;

static inline void gm_matmul_begin(const gm_matmul *mm) {
  if (mm->begin) mm->begin();
}

static inline void gm_matmul_end(const gm_matmul *mm) {
  if (mm->end) mm->end();
}

/* Rows of x that gemv takes at once: as many as decode together in most cases. */
enum { GM_GEMV_ROWS = 32 };

#endif
