/* attention_lesson.h - supervised attention: rows of the language model are told which row a
 * head is to look at. The loss of a lesson is -log of the attention weight there. */
#ifndef GM_ATTENTION_LESSON_H
#define GM_ATTENTION_LESSON_H

#include "llama_train.h"

typedef struct gm_attention_lesson {
  size_t row, look_at; /* of the batch: of one sequence, look_at <= row */
  size_t head;
} gm_attention_lesson;

/* After the forward of a pass without t->recompute: the mean loss of n lessons of layer `layer`
 * (1 ..). Adds its gradient, times weight, to d_q[n_rows, dim] and d_k[n_rows, kv_dim], which
 * pass->looks takes into the backward. *right: how many look there more than anywhere else.
 * Errors: GM_ERR_MEMORY. */
gm_status gm_attention_lessons(const gm_llama_pass *pass, size_t layer,
                               const gm_attention_lesson *lessons, size_t n, double weight,
                               float *d_q, float *d_k, double *loss, size_t *right);

#endif
