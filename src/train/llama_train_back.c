/* llama_train_back.c - see llama_train.h: the backward through the layers. */
#include "llama_train_parts.h"

#include <string.h>

/* Scratch of the backward of a layer, shared by all. */
typedef struct back_scratch {
  float *d_normed, *d_mixed; /* [rows, dim] */
  float *d_q, *d_k, *d_v;    /* [rows, dim], [rows, kv_dim] */
  float *d_product;          /* [rows, ffn] */
} back_scratch;

static gm_status allocate_back(const gm_llama_pass *pass, back_scratch *s) {
  const gm_llama *l = pass->llama;
  const size_t n = pass->batch->n_rows;
  float *at = gm_scratch_f32(pass->t->c, n * (3 * l->dim + 2 * l->kv_dim + l->ffn),
                             "the backward of the language model");
  if (!at) return GM_ERR_MEMORY;
  s->d_normed = gm_cut(&at, n * l->dim);
  s->d_mixed = gm_cut(&at, n * l->dim);
  s->d_q = gm_cut(&at, n * l->dim);
  s->d_k = gm_cut(&at, n * l->kv_dim);
  s->d_v = gm_cut(&at, n * l->kv_dim);
  s->d_product = gm_cut(&at, n * l->ffn);
  return GM_OK;
}

static gm_status multiply_back(const gm_llama_pass *pass, const gm_tensor *w, const float *x,
                               const float *dy, size_t n, float *dx, bool add) {
  return gm_linear_back(pass->t, w, NULL, x, w->shape[1], dy, w->shape[0], n, dx, w->shape[1],
                        add);
}

/* After the last layer's attention: d[n_asked, dim] becomes [n_rows, dim], zero in the rows
 * that were not asked for. From the end on, since no row moves towards the beginning. */
static void spread(const gm_llama_pass *pass, size_t i, float *d) {
  const size_t dim = pass->llama->dim;
  if (i + 1 < pass->llama->n_layers) return;
  for (size_t row = pass->batch->n_rows, left = pass->n_asked; row-- > 0;) {
    const bool asked = left > 0 && pass->asked[left - 1] == row;
    if (asked)
      memmove(d + row * dim, d + --left * dim, dim * sizeof *d);
    else
      memset(d + row * dim, 0, dim * sizeof *d);
  }
}

/* pass->d: from the gradient by layer i's output to that by its middle. more: the attention
 * part wants that. */
static gm_status ffn_back(const gm_llama_pass *pass, const back_scratch *s, size_t i,
                          bool more) {
  const gm_llama *l = pass->llama;
  const gm_llama_layer *w = &l->layers[i];
  const gm_llama_kept *k = &pass->kept[i];
  const gm_training *t = pass->t;
  const size_t n = gm_llama_train_rows(pass, i);
  if (!more && !k->ffn_learns) return GM_OK;
  gm_silu_mul_train(t, pass->product, k->gate, k->up, n * l->ffn);
  GM_TRY(multiply_back(pass, &w->down, pass->product, pass->d, n, s->d_product, false));
  gm_silu_mul_back(t, k->gate, k->up, k->gate, k->up, s->d_product, n * l->ffn);
  gm_rms_norm_train(t, pass->normed, k->middle, k->stats2, n, l->dim, w->ffn_norm, l->eps);
  const bool norm = more || gm_learns(t, w->ffn_norm);
  float *d = norm ? s->d_normed : NULL;
  GM_TRY(multiply_back(pass, &w->gate, pass->normed, k->gate, n, d, false));
  GM_TRY(multiply_back(pass, &w->up, pass->normed, k->up, n, d, true));
  if (!norm) return GM_OK;
  return gm_rms_norm_back(t, pass->d, true, k->middle, k->stats2, d, n, l->dim, w->ffn_norm);
}

static void add_looks(const gm_llama_pass *pass, const back_scratch *s, size_t i) {
  const size_t n = pass->batch->n_rows;
  if (!pass->looks || pass->looks->layer != i + 1) return;
  gm_add(pass->t->c, s->d_q, s->d_q, pass->looks->d_q, n * pass->llama->dim);
  gm_add(pass->t->c, s->d_k, s->d_k, pass->looks->d_k, n * pass->llama->kv_dim);
}

/* pass->d: from the gradient by the middle of layer i to that by its input. more: something
 * below wants that. */
static gm_status attention_back(const gm_llama_pass *pass, const back_scratch *s, size_t i,
                                bool more) {
  const gm_llama *l = pass->llama;
  const gm_llama_layer *w = &l->layers[i];
  const gm_llama_kept *k = &pass->kept[i];
  const gm_training *t = pass->t;
  const size_t n = pass->batch->n_rows;
  GM_TRY(multiply_back(pass, &w->o, gm_llama_train_going_on(pass, i, k->mixed), pass->d,
                       gm_llama_train_rows(pass, i), s->d_mixed, false));
  spread(pass, i, s->d_mixed);
  spread(pass, i, pass->d);
  GM_TRY(gm_attention_back(t, &pass->shape, k->q, k->k, k->v, k->mixed, k->lse, s->d_mixed,
                           s->d_q, s->d_k, s->d_v));
  add_looks(pass, s, i);
  gm_rope_back(t, s->d_q, l->dim, n, l->heads, l->head_dim, pass->rope);
  gm_rope_back(t, s->d_k, l->kv_dim, n, l->kv_heads, l->head_dim, pass->rope);
  gm_rms_norm_train(t, pass->normed, pass->states[i], k->stats1, n, l->dim, w->attention_norm,
                    l->eps);
  const bool norm = more || gm_learns(t, w->attention_norm);
  float *d = norm ? s->d_normed : NULL;
  GM_TRY(multiply_back(pass, &w->q, pass->normed, s->d_q, n, d, false));
  GM_TRY(multiply_back(pass, &w->k, pass->normed, s->d_k, n, d, true));
  GM_TRY(multiply_back(pass, &w->v, pass->normed, s->d_v, n, d, true));
  if (!norm) return GM_OK;
  return gm_rms_norm_back(t, pass->d, true, pass->states[i], k->stats1, d, n, l->dim,
                          w->attention_norm);
}

static gm_status layer_back(const gm_llama_pass *pass, const back_scratch *s, size_t i) {
  const bool below = pass->input || i > pass->lowest;
  const bool attention = below || pass->kept[i].attention_learns;
  GM_TRY(gm_poll(pass->t->c));
  if (gm_llama_train_rows(pass, i) == 0) {
    spread(pass, i, pass->d);
    return GM_OK;
  }
  if (pass->t->recompute) GM_TRY(gm_llama_train_inside(pass, i));
  GM_TRY(ffn_back(pass, s, i, attention));
  GM_TRY(gm_poll(pass->t->c));
  return attention ? attention_back(pass, s, i, below) : GM_OK;
}

static void add_extra(const gm_llama_pass *pass, const gm_state_gradient *extra, size_t n_extra,
                      size_t layer) {
  const size_t dim = pass->llama->dim;
  for (size_t e = 0; e < n_extra; e++) {
    if (extra[e].layer != layer) continue;
    for (size_t i = 0; i < extra[e].n; i++) {
      float *d = pass->d + extra[e].rows[i] * dim;
      const float *more = extra[e].d + i * dim;
      for (size_t k = 0; k < dim; k++) d[k] += more[k];
    }
  }
}

/* Row by row, in order: sums of a token that comes again are the same in every run. */
static void embed_back(const gm_llama_pass *pass) {
  const gm_llama *l = pass->llama;
  const gm_llama_batch *b = pass->batch;
  for (size_t i = 0; i < b->n_rows; i++) {
    const float *d = pass->d + i * l->dim;
    int32_t id = b->rows[i];
    if (id >= 0) {
      bool added = (size_t)id >= l->base_vocab;
      if (added) id -= (int32_t)l->base_vocab;
      gm_get_rows_back(pass->t, added ? &l->new_embed : &l->embed, &id, 1, d, l->dim);
    } else if (b->d_vectors) {
      float *sum = b->d_vectors + (size_t)(-1 - id) * l->dim;
      for (size_t k = 0; k < l->dim; k++) sum[k] += d[k];
    }
  }
}

static gm_status back(const gm_llama_pass *pass, const gm_state_gradient *extra,
                      size_t n_extra) {
  back_scratch s;
  GM_TRY(allocate_back(pass, &s));
  for (size_t i = pass->llama->n_layers; i > pass->lowest; i--) {
    add_extra(pass, extra, n_extra, i);
    GM_TRY(layer_back(pass, &s, i - 1));
  }
  if (!pass->input) return GM_OK;
  add_extra(pass, extra, n_extra, 0);
  embed_back(pass);
  return GM_OK;
}

gm_status gm_llama_train_back(gm_llama_pass *pass, const gm_state_gradient *extra,
                              size_t n_extra) {
  gm_compute *c = pass->t->c;
  if (!pass->input && pass->lowest == pass->llama->n_layers) return GM_OK;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = back(pass, extra, n_extra);
  gm_arena_restore(&c->arena, mark);
  return status;
}
