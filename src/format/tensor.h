/* tensor.h - a view of a weight: row-major, outermost dimension first (as PyTorch prints it; a
 * GGUF file lists dimensions the other way round). Views own nothing. */
#ifndef GM_TENSOR_H
#define GM_TENSOR_H

#include "types.h"

enum { GM_MAX_DIMS = 4 };

typedef struct gm_tensor {
  gm_type type;
  uint32_t n_dims;
  size_t shape[GM_MAX_DIMS]; /* shape[n_dims - 1] varies fastest; unused entries are 1 */
  size_t row_bytes;          /* bytes of one run of the last dimension */
  const void *data;
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
  gm_tensor s = {t->type, 2, {rows, gm_tensor_cols(t), 1, 1}, t->row_bytes, NULL};
  s.data = (const unsigned char *)t->data + first * t->row_bytes;
  return s;
}

#endif
