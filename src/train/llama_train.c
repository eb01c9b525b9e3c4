/* llama_train.c - see llama_train.h. */
#include "llama_train_parts.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- what learns ---- */

static bool attention_learns(const gm_training *t, const gm_llama_layer *w) {
  return gm_learns(t, w->attention_norm) || gm_learns(t, w->q.data) ||
         gm_learns(t, w->k.data) || gm_learns(t, w->v.data) || gm_learns(t, w->o.data);
}

static bool ffn_learns(const gm_training *t, const gm_llama_layer *w) {
  return gm_learns(t, w->ffn_norm) || gm_learns(t, w->gate.data) || gm_learns(t, w->up.data) ||
         gm_learns(t, w->down.data);
}

/* Needs pass->kept. */
static void find_what_learns(gm_llama_pass *pass) {
  const gm_training *t = pass->t;
  const gm_llama *llama = pass->llama;
  pass->input = pass->batch->d_vectors || gm_learns(t, llama->embed.data) ||
                gm_learns(t, llama->new_embed.data);
  pass->lowest = llama->n_layers;
  for (size_t i = llama->n_layers; i-- > 0;) {
    gm_llama_kept *k = &pass->kept[i];
    k->attention_learns = attention_learns(t, &llama->layers[i]);
    k->ffn_learns = ffn_learns(t, &llama->layers[i]);
    if (k->attention_learns || k->ffn_learns) pass->lowest = i;
  }
  if (pass->input) pass->lowest = 0;
  pass->learns = pass->input || pass->lowest < llama->n_layers || gm_learns(t, llama->norm) ||
                 gm_learns(t, llama->head.data) || gm_learns(t, llama->extra_head.data);
}

static gm_status find_asked(gm_llama_pass *pass) {
  const gm_llama_batch *b = pass->batch;
  pass->asked =
      gm_scratch(pass->t->c, b->n_rows * sizeof *pass->asked, "the rows with a target");
  if (!pass->asked) return GM_ERR_MEMORY;
  for (size_t i = 0; i < b->n_rows; i++)
    if (b->targets[i] >= 0 || (b->wanted && b->wanted[i])) pass->asked[pass->n_asked++] = i;
  return GM_OK;
}

/* ---- memory ---- */

static gm_status allocate_room(const gm_llama_pass *pass, float **room) {
  const gm_llama *l = pass->llama;
  size_t row = 4 + l->heads + 3 * l->dim + 2 * l->kv_dim + 2 * l->ffn;
  *room = gm_scratch_f32(pass->t->c, pass->batch->n_rows * row, "what a layer keeps");
  return *room ? GM_OK : GM_ERR_MEMORY;
}

static void place_kept(const gm_llama_pass *pass, gm_llama_kept *kept, float *at) {
  const gm_llama *l = pass->llama;
  const size_t n = pass->batch->n_rows;
  kept->q = gm_cut(&at, n * l->dim);
  kept->k = gm_cut(&at, n * l->kv_dim);
  kept->v = gm_cut(&at, n * l->kv_dim);
  kept->mixed = gm_cut(&at, n * l->dim);
  kept->middle = gm_cut(&at, n * l->dim);
  kept->gate = gm_cut(&at, n * l->ffn);
  kept->up = gm_cut(&at, n * l->ffn);
  kept->lse = gm_cut(&at, n * l->heads);
  kept->stats1 = gm_cut(&at, n * 2);
  kept->stats2 = gm_cut(&at, n * 2);
}

/* What no backward asks for is not kept: layers below the lowest share one room, and so do all
 * that are computed again. */
static gm_status allocate_layers(gm_llama_pass *pass) {
  const size_t layers = pass->llama->n_layers, state = pass->batch->n_rows * pass->llama->dim;
  gm_compute *c = pass->t->c;
  float *room = NULL;
  for (size_t i = 0; i <= layers; i++) {
    pass->states[i] = gm_scratch_f32(c, state, "the states of the language model");
    if (!pass->states[i]) return GM_ERR_MEMORY;
    if (i == layers) break;
    const bool own = !pass->t->recompute && i >= pass->lowest;
    if (own || !room) GM_TRY(allocate_room(pass, &room));
    place_kept(pass, &pass->kept[i], room);
  }
  return GM_OK;
}

static gm_status allocate(gm_llama_pass *pass) {
  const gm_llama *l = pass->llama;
  gm_compute *c = pass->t->c;
  const size_t n = pass->batch->n_rows;
  pass->states = gm_scratch(c, (l->n_layers + 1) * sizeof *pass->states, "the states");
  pass->kept = gm_scratch(c, l->n_layers * sizeof *pass->kept, "the layers");
  pass->rope = gm_scratch_f32(c, n * l->head_dim, "the positions");
  pass->normed = gm_scratch_f32(c, n * l->dim, "the language model");
  pass->product = gm_scratch_f32(c, n * l->ffn, "the language model");
  if (!pass->states || !pass->kept || !pass->rope || !pass->normed || !pass->product)
    return GM_ERR_MEMORY;
  find_what_learns(pass);
  if (pass->learns) {
    pass->d = gm_scratch_f32(c, n * l->dim, "the gradient by the states");
    if (!pass->d) return GM_ERR_MEMORY;
  }
  return allocate_layers(pass);
}

/* ---- forward ---- */

static void embed(const gm_llama_pass *pass) {
  const gm_llama *l = pass->llama;
  const gm_llama_batch *b = pass->batch;
  for (size_t i = 0; i < b->n_rows; i++) {
    float *x = pass->states[0] + i * l->dim;
    int32_t id = b->rows[i];
    if (id < 0) {
      memcpy(x, b->vectors + (size_t)(-1 - id) * l->dim, l->dim * sizeof *x);
      continue;
    }
    assert((size_t)id < l->vocab);
    bool added = (size_t)id >= l->base_vocab;
    if (added) id -= (int32_t)l->base_vocab;
    gm_get_rows(x, l->dim, added ? &l->new_embed : &l->embed, &id, 1);
  }
}

static void place(const gm_llama_pass *pass) {
  const gm_llama *l = pass->llama;
  float *table = pass->rope;
  for (size_t s = 0; s < pass->batch->n_sequences; s++) {
    size_t n = pass->batch->lengths[s];
    gm_rope_table(pass->t->c, table, n, l->head_dim, 0, l->theta);
    table += n * l->head_dim;
  }
}

/* x[n, k] . w^T, rows without gaps. */
static gm_status multiply(const gm_llama_pass *pass, const gm_tensor *w, const float *x,
                          size_t n, float *y) {
  return gm_linear_train(pass->t, w, NULL, x, w->shape[1], n, y, w->shape[0]);
}

const float *gm_llama_train_going_on(const gm_llama_pass *pass, size_t i, const float *x) {
  const size_t dim = pass->llama->dim;
  if (i + 1 < pass->llama->n_layers) return x;
  for (size_t j = 0; j < pass->n_asked; j++)
    memcpy(pass->normed + j * dim, x + pass->asked[j] * dim, dim * sizeof *x);
  return pass->normed;
}

static gm_status attend(const gm_llama_pass *pass, size_t i) {
  const gm_llama *l = pass->llama;
  const gm_llama_layer *w = &l->layers[i];
  const gm_llama_kept *k = &pass->kept[i];
  const gm_training *t = pass->t;
  const size_t n = pass->batch->n_rows;
  gm_rms_norm_train(t, pass->normed, pass->states[i], k->stats1, n, l->dim, w->attention_norm,
                    l->eps);
  GM_TRY(multiply(pass, &w->q, pass->normed, n, k->q));
  GM_TRY(multiply(pass, &w->k, pass->normed, n, k->k));
  GM_TRY(multiply(pass, &w->v, pass->normed, n, k->v));
  gm_rope(t->c, k->q, l->dim, n, l->heads, l->head_dim, pass->rope);
  gm_rope(t->c, k->k, l->kv_dim, n, l->kv_heads, l->head_dim, pass->rope);
  GM_TRY(gm_attention_train(t, &pass->shape, k->q, k->k, k->v, k->mixed, k->lse));
  const size_t m = gm_llama_train_rows(pass, i);
  GM_TRY(multiply(pass, &w->o, gm_llama_train_going_on(pass, i, k->mixed), m, k->middle));
  gm_add(t->c, k->middle, k->middle, gm_llama_train_going_on(pass, i, pass->states[i]),
         m * l->dim);
  return GM_OK;
}

gm_status gm_llama_train_inside(const gm_llama_pass *pass, size_t i) {
  const gm_llama *l = pass->llama;
  const gm_llama_layer *w = &l->layers[i];
  const gm_llama_kept *k = &pass->kept[i];
  GM_TRY(attend(pass, i));
  GM_TRY(gm_poll(pass->t->c));
  const size_t m = gm_llama_train_rows(pass, i);
  gm_rms_norm_train(pass->t, pass->normed, k->middle, k->stats2, m, l->dim, w->ffn_norm,
                    l->eps);
  GM_TRY(multiply(pass, &w->gate, pass->normed, m, k->gate));
  return multiply(pass, &w->up, pass->normed, m, k->up);
}

static gm_status layer_forward(const gm_llama_pass *pass, size_t i) {
  const gm_llama *l = pass->llama;
  const gm_llama_kept *k = &pass->kept[i];
  const size_t n = gm_llama_train_rows(pass, i);
  if (n == 0) return GM_OK;
  GM_TRY(gm_llama_train_inside(pass, i));
  gm_silu_mul_train(pass->t, pass->product, k->gate, k->up, n * l->ffn);
  GM_TRY(multiply(pass, &l->layers[i].down, pass->product, n, pass->states[i + 1]));
  gm_add(pass->t->c, pass->states[i + 1], pass->states[i + 1], k->middle, n * l->dim);
  return GM_OK;
}

gm_status gm_llama_train_forward(gm_llama_pass *pass, const gm_training *t,
                                 const gm_llama *llama, const gm_llama_batch *batch) {
  *pass = (gm_llama_pass){.t = t, .llama = llama, .batch = batch};
  pass->shape = (gm_attention_shape){
      .lengths = batch->lengths,
      .n_sequences = batch->n_sequences,
      .heads = llama->heads,
      .kv_heads = llama->kv_heads,
      .head_dim = llama->head_dim,
      .scale = 1 / sqrtf((float)llama->head_dim),
      .causal = true,
      .q_row = llama->dim,
      .kv_row = llama->kv_dim,
      .out_row = llama->dim,
  };
  GM_TRY(find_asked(pass));
  GM_TRY(allocate(pass));
  embed(pass);
  place(pass);
  for (size_t i = 0; i < llama->n_layers; i++) {
    GM_TRY(gm_poll(t->c));
    GM_TRY(layer_forward(pass, i));
  }
  return GM_OK;
}
