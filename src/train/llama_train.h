/* llama_train.h - the language model (llama.h) while it learns: sequences packed one after
 * another without padding -> cross-entropy of the targets -> gradients by weights and by the
 * vectors among the rows.
 *
 *   gm_llama_train_forward   rows -> states: the embeddings and each layer's output
 *   gm_llama_train_loss      last state at rows that have a target -> loss, and the gradient by
 *                            that state
 *   gm_llama_train_back      down through the layers to the rows
 *
 * What comes after the last layer's attention is computed of rows with a target only, and of
 * those that are asked for. The backward stops at the lowest weight that
 * learns, or goes down to the vectors if their gradient is wanted. */
#ifndef GM_LLAMA_TRAIN_H
#define GM_LLAMA_TRAIN_H

#include "llama.h"
#include "ops_bwd.h"

/* All arrays are the caller's and stay until the backward is over. */
typedef struct gm_llama_batch {
  const size_t *lengths; /* [n_sequences], each at least 1; positions of each begin at 0 */
  size_t n_sequences, n_rows;
  const int32_t *rows;    /* [n_rows] a token's id, or -1 - v: vector v; v may come again */
  const float *vectors;   /* [n_vectors, dim] */
  const int32_t *targets; /* [n_rows] the id that the row is to predict, or -1 */
  const bool *wanted;     /* [n_rows] whose last state is wanted without a target; NULL: none */
  float *d_vectors;       /* [n_vectors, dim], added to; NULL: their gradient is not wanted */
} gm_llama_batch;

/* A layer: what it keeps for its backward, in the arena. */
typedef struct gm_llama_kept {
  float *stats1, *stats2; /* [rows, 2] of the norms */
  float *q, *k, *v;       /* rotated; [rows, dim], [rows, kv_dim] */
  float *lse;             /* [rows, heads] */
  float *mixed, *middle;  /* [rows, dim]: attention's output, x after the attention part */
  float *gate, *up;       /* [rows, ffn]; these three and stats2 of rows asked for alone */
  bool attention_learns, ffn_learns; /* whether a weight of this part does */
} gm_llama_kept;

/* A gradient by the rotated q and k of layer `layer` (1 ..) from elsewhere: losses that look at
 * where a head attends (attention_lesson.h). */
typedef struct gm_attention_gradient {
  size_t layer;
  const float *d_q, *d_k; /* [n_rows, dim], [n_rows, kv_dim] */
} gm_attention_gradient;

/* One step of one batch. Everything lies in the compute's arena: take a mark before the
 * forward, and restore it when the step is over. */
typedef struct gm_llama_pass {
  const gm_training *t;
  const gm_llama *llama;
  const gm_llama_batch *batch;
  size_t *asked; /* [n_asked], rising: the rows that the last layer computes */
  size_t n_asked;
  /* [n_layers + 1][n_rows, dim]: 0 the rows, l the output of layer l; of the last layer
   * [n_asked, dim]. */
  float **states;
  gm_llama_kept *kept; /* [n_layers]; with t->recompute all are one */
  float *rope;         /* [n_rows, head_dim] */
  float *normed;       /* [n_rows, dim], scratch */
  float *product;      /* [n_rows, ffn], scratch */
  gm_attention_shape shape;
  size_t lowest; /* the backward goes down to layer `lowest` (from 0) */
  bool input;    /* and to the rows */
  bool learns;   /* anything at all */
  float *d;      /* [n_rows, dim], the gradient by the state that was reached */
  const gm_attention_gradient *looks; /* set before the backward; NULL: none */
} gm_llama_pass;

/* A gradient by the output of layer `layer` (1 ..; 0: by the rows) from elsewhere: losses of
 * heads that look at a hidden state. */
typedef struct gm_state_gradient {
  size_t layer, n;
  const size_t *rows; /* [n], of the batch; of the last layer among those asked for */
  const float *d;     /* [n, dim] */
} gm_state_gradient;

/* GM_ERR_MEMORY, GM_ERR_CANCELLED. */
gm_status gm_llama_train_forward(gm_llama_pass *pass, const gm_training *t,
                                 const gm_llama *llama, const gm_llama_batch *batch);
/* *loss = mean cross-entropy over the targets of the batch; 0 without any. Adds to the
 * gradients of heads and norm. */
gm_status gm_llama_train_loss(gm_llama_pass *pass, double *loss);
/* Adds to the gradients of all weights below, and to d_vectors. Once a pass, after the loss. */
gm_status gm_llama_train_back(gm_llama_pass *pass, const gm_state_gradient *extra,
                              size_t n_extra);

#endif
