/* attention_lesson.c - see attention_lesson.h. A lesson is some thousand multiply-adds, so one
 * thread does them, in order. */
#include "attention_lesson.h"

#include <assert.h>
#include <math.h>

typedef struct lesson_job {
  const gm_llama_pass *pass;
  const gm_llama_kept *kept;
  double scale; /* of the gradient */
  float *d_q, *d_k;
  float *weights; /* [n_rows], scratch */
} lesson_job;

static size_t first_row(const gm_llama_batch *batch, size_t row) {
  size_t first = 0;
  for (size_t s = 0; first + batch->lengths[s] <= row; s++) first += batch->lengths[s];
  return first;
}

/* -log of the weight at look_at. weights[i - first] becomes the gradient by the score of row i.
 */
static double scores(const lesson_job *j, const gm_attention_lesson *l, const float *q,
                     const float *k, size_t first, bool *right) {
  const gm_llama *m = j->pass->llama;
  float *w = j->weights, most = -INFINITY;
  size_t n = l->row - first + 1, best = 0;
  for (size_t i = 0; i < n; i++) {
    const float *key = k + (first + i) * m->kv_dim;
    double sum = 0;
    for (size_t e = 0; e < m->head_dim; e++) sum += (double)q[e] * (double)key[e];
    w[i] = (float)sum * j->pass->shape.scale;
    if (w[i] > most) {
      most = w[i];
      best = i;
    }
  }
  double total = 0, at = (double)(w[l->look_at - first] - most);
  for (size_t i = 0; i < n; i++) total += exp((double)(w[i] - most));
  for (size_t i = 0; i < n; i++) w[i] = (float)(exp((double)(w[i] - most)) / total);
  w[l->look_at - first] -= 1;
  *right = best == l->look_at - first;
  return log(total) - at;
}

static double teach(const lesson_job *j, const gm_attention_lesson *l, bool *right) {
  const gm_llama *m = j->pass->llama;
  const size_t first = first_row(j->pass->batch, l->row), dim = m->head_dim;
  const size_t q_at = l->head * dim, k_at = l->head * m->kv_heads / m->heads * dim;
  assert(l->look_at >= first && l->look_at <= l->row && l->head < m->heads);
  const float *q = j->kept->q + l->row * m->dim + q_at, *k = j->kept->k + k_at;
  double loss = scores(j, l, q, k, first, right);
  float *d_q = j->d_q + l->row * m->dim + q_at;
  for (size_t i = first; i <= l->row; i++) {
    const float d = (float)(j->scale * (double)j->weights[i - first]);
    const float *key = k + i * m->kv_dim;
    float *d_k = j->d_k + i * m->kv_dim + k_at;
    for (size_t e = 0; e < dim; e++) {
      d_q[e] += d * key[e];
      d_k[e] += d * q[e];
    }
  }
  return loss;
}

gm_status gm_attention_lessons(const gm_llama_pass *pass, size_t layer,
                               const gm_attention_lesson *lessons, size_t n, double weight,
                               float *d_q, float *d_k, double *loss, size_t *right) {
  assert(layer >= 1 && layer <= pass->llama->n_layers && !pass->t->recompute);
  gm_compute *c = pass->t->c;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  lesson_job job = {.pass = pass,
                    .kept = &pass->kept[layer - 1],
                    .scale = n ? weight * (double)pass->shape.scale / (double)n : 0,
                    .d_q = d_q,
                    .d_k = d_k,
                    .weights = gm_scratch_f32(c, pass->batch->n_rows, "attention")};
  *loss = 0;
  *right = 0;
  if (!job.weights) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    bool hit;
    *loss += teach(&job, &lessons[i], &hit) / (double)n;
    *right += hit;
  }
  gm_arena_restore(&c->arena, mark);
  return GM_OK;
}
