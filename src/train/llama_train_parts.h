/* llama_train_parts.h - what the files of llama_train.h share. */
#ifndef GM_LLAMA_TRAIN_PARTS_H
#define GM_LLAMA_TRAIN_PARTS_H

#include "llama_train.h"

/* Computes all that layer i keeps, from its input state. */
gm_status gm_llama_train_inside(const gm_llama_pass *pass, size_t i);

/* Cuts n floats off the beginning of *at. */
static inline float *gm_cut(float **at, size_t n) {
  float *begin = *at;
  *at += n;
  return begin;
}

#endif
