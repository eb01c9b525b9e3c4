/* tensor.h - a view of a weight: row-major, outermost dimension first (as PyTorch prints it; a
 * GGUF file lists dimensions the other way round). Views own nothing. */
#ifndef GM_TENSOR_H
#define GM_TENSOR_H

#include "types.h"

enum { GM_MAX_DIMS = 4 };

/* A low-rank pair beside a matrix w[n, k] (LoRA, arXiv 2106.09685): products with w become
 * x w^T + (x a^T) b^T. */
typedef struct gm_pair {
  size_t rank;
  const float *a;      /* [rank, k] */
  const float *b;      /* [n, rank]; scales are folded in */
  const void *weights; /* of the whole w: a slice of it finds its rows of b */
} gm_pair;

typedef struct gm_tensor {
  gm_type type;
  uint32_t n_dims;
  size_t shape[GM_MAX_DIMS]; /* shape[n_dims - 1] varies fastest; unused entries are 1 */
  size_t row_bytes;          /* bytes of one run of the last dimension */
  const void *data;
  const gm_pair *pair; /* NULL: none. gm_linear computes it; other readers get no such tensor */
} gm_tensor;

/* Rows = product of all dimensions but the last. */
static inline size_t gm_tensor_rows(const gm_tensor *t) {
  size_t rows = 1;
  for (uint32_t i = 0; i + 1 < t->n_dims; i++) rows *= t->shape[i];
  return rows;
}

static inline size_t gm_tensor_cols(const gm_tensor *t) {
  return t->shape[t->n_dims - 1];
}

/* The matrix of `rows` rows that starts at row `first` (counted over all outer dimensions). */
static inline gm_tensor gm_tensor_slice(const gm_tensor *t, size_t first, size_t rows) {
  return (gm_tensor){.type = t->type,
                     .n_dims = 2,
                     .shape = {rows, gm_tensor_cols(t), 1, 1},
                     .row_bytes = t->row_bytes,
                     .data = (const unsigned char *)t->data + first * t->row_bytes,
                     .pair = t->pair};
}

/* A matrix of floats. */
static inline gm_tensor gm_tensor_f32(const float *data, size_t rows, size_t columns) {
  return (gm_tensor){.type = GM_TYPE_F32,
                     .n_dims = 2,
                     .shape = {rows, columns, 1, 1},
                     .row_bytes = columns * sizeof *data,
                     .data = data};
}

#endif
