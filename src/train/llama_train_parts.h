/* llama_train_parts.h - what the files of llama_train.h share. */
#ifndef GM_LLAMA_TRAIN_PARTS_H
#define GM_LLAMA_TRAIN_PARTS_H

#include "llama_train.h"

/* Computes all that layer i keeps, from its input state. */
gm_status gm_llama_train_inside(const gm_llama_pass *pass, size_t i);

/* Rows that go through layer i from its attention's output on. */
static inline size_t gm_llama_train_rows(const gm_llama_pass *pass, size_t i) {
  return i + 1 < pass->llama->n_layers ? pass->batch->n_rows : pass->n_asked;
}

/* The rows of x[n_rows, dim] that go on in layer i: x itself, or pass->normed with the rows
 * that the last layer is asked for. */
const float *gm_llama_train_going_on(const gm_llama_pass *pass, size_t i, const float *x);

/* Cuts n floats off the beginning of *at. */
static inline float *gm_cut(float **at, size_t n) {
  float *begin = *at;
  *at += n;
  return begin;
}

#endif
