/* training.h - what every pass of training is given: a gm_compute, and which weights learn.
 *
 * A layer that learns has a forward that keeps what its backward needs, and a backward beside
 * it; both are called by hand, there is no graph that is recorded. What is kept lies in the
 * compute's arena from the forward on until the step is over. Models are the structs of
 * inference: a weight that learns is f32 in them, and whoever computes its gradient finds the
 * place for it by the address of the weight (gm_gradient). */
#ifndef GM_TRAINING_H
#define GM_TRAINING_H

#include "compute.h"
#include "tensor.h"

/* Low-rank pair of a matrix w[n, k] (LoRA, arXiv 2106.09685): the product with w becomes
 * x w^T + scale * (x a^T) b^T. */
typedef struct gm_lora {
  size_t rank;
  float scale;                    /* alpha / rank */
  const float *a, *b;             /* [rank, k], [n, rank] */
  float *gradient_a, *gradient_b; /* sums, as below */
} gm_lora;

/* A weight that learns: itself, or by a low-rank pair beside it while it stays as it is. */
typedef struct gm_learned {
  const void *weights; /* where the model's structs point to */
  size_t bytes;        /* of the whole tensor: a struct may point into it (rows of q, k, v) */
  float *gradient; /* as many floats as the f32 tensor; sums until they are cleared. NULL: only
                      the pair learns */
  bool reached;    /* a gradient was asked for since they were cleared: a tensor that no
                      backward reached has none, which is not a gradient of zero */
  gm_lora *lora;   /* or NULL */
} gm_learned;

/* Sorted by address; the tensors do not overlap. */
typedef struct gm_learned_set {
  gm_learned *all; /* [n] */
  size_t n;
} gm_learned_set;

typedef struct gm_training {
  gm_compute *c;
  const gm_learned_set *learned;
  /* Products of trained passes round their factors to bf16; sums, norms, softmax and all
   * weights that learn are f32. */
  bool bf16;
  /* A block's forward keeps its input only; its backward computes the rest again. */
  bool recompute;
  float dropout;     /* p of the proposer's residual branches; 0: off */
  uint64_t drop_key; /* of this step: masks are a hash of it, of the place and of the element */
} gm_training;

void gm_learned_set_sort(gm_learned_set *set);
/* The weight at or around this address; NULL: it does not learn. */
gm_learned *gm_learned_find(const gm_learned_set *set, const void *weights);

/* Where the gradient of the f32 weights at this address is to be added; NULL: they do not
 * learn, and nobody wants it. Marks the tensor as reached. */
float *gm_gradient(const gm_training *t, const void *weights);

/* Whether a backward pass has anything to do for the weights at this address. */
static inline bool gm_learns(const gm_training *t, const void *weights) {
  return gm_learned_find(t->learned, weights) != NULL;
}

#endif
