/* llama.c - see llama.h. The rows of all runs are worked on together, at most GM_LLAMA_ROWS at
 * a time: norms and products see one matrix, attention sees positions that sequences share once
 * and then each sequence by itself.
 *
 * Rows that are read go the way of GM_WAY_READ, up to the last layer's keys and values. What
 * follows them there is asked of one row a sequence at most, which goes the way of GM_WAY_STEP,
 * as a whole step of decoding does. */
#include "llama.h"

#include "groma_sizes.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- loading ---- */

void gm_llama_rules(gm_tensor_rules *rules, const size_t *dims) {
  size_t dim = dims[LLM_DIM], q_dim = dims[LLM_Q], kv_dim = dims[LLM_KV], ffn = dims[LLM_FFN];
  size_t base = dims[BASE_VOCAB], added = dims[ADDED_VOCAB];
  gm_rules_group(rules, "llm", "", NULL, 1);
  GM_LLAMA_INPUT(GM_VEC_RULE, GM_MAT_RULE)
  gm_rules_group(rules, "llm", GM_LLAMA_LAYERS, NULL, dims[LLM_LAYERS]);
  GM_LLAMA_LAYER(GM_VEC_RULE, GM_MAT_RULE)
  gm_rules_group(rules, "llm", "", NULL, 1);
  GM_LLAMA_OUTPUT(GM_VEC_RULE, GM_MAT_RULE)
}

/* The sizes that no key tells are read off the tensors. */
static gm_status load_shape(gm_llama *llama, const gm_weight_loader *l,
                            const gm_groma_hparams *hparams) {
  gm_tensor gate;
  GM_TRY(gm_load_matrix(l, "llm.model.embed_tokens.weight", 0, 0, &llama->embed));
  GM_TRY(gm_load_matrix(l, "llm.model.layers.0.mlp.gate_proj.weight", 0, 0, &gate));
  llama->base_vocab = llama->embed.shape[0];
  llama->dim = llama->embed.shape[1];
  llama->ffn = gate.shape[0];
  llama->n_layers = hparams->llm_layers;
  llama->heads = hparams->llm_heads;
  llama->kv_heads = hparams->llm_kv_heads;
  llama->head_dim = llama->dim / llama->heads;
  llama->kv_dim = llama->kv_heads * llama->head_dim;
  llama->context = hparams->llm_context;
  llama->eps = hparams->llm_rms_eps;
  llama->theta = hparams->llm_rope_theta;
  if (llama->head_dim * llama->heads != llama->dim || llama->head_dim % 2 != 0 ||
      llama->head_dim > GM_MAX_HEAD_DIM)
    return gm_fail(l->err, GM_ERR_MODEL,
                   "%s: found a language model of width %zu with %zu heads; wanted heads of an "
                   "even size up to %d that fill the width",
                   gm_model_file_name(l->file), llama->dim, llama->heads, GM_MAX_HEAD_DIM);
  return GM_OK;
}

static gm_status load_layer(gm_llama_layer *w, const gm_weight_loader *l,
                            const gm_llama *llama) {
  size_t dim = llama->dim, q_dim = dim, kv_dim = llama->kv_dim, ffn = llama->ffn;
  GM_LLAMA_LAYER(GM_VEC_LOAD, GM_MAT_LOAD)
  return GM_OK;
}

static gm_status load_ends(gm_llama *w, const gm_weight_loader *l) {
  size_t dim = w->dim, base = w->base_vocab, added = 0; /* any number of added tokens */
  GM_LLAMA_INPUT(GM_VEC_LOAD, GM_MAT_LOAD)
  added = w->new_embed.shape[0];
  w->vocab = base + added;
  GM_LLAMA_OUTPUT(GM_VEC_LOAD, GM_MAT_LOAD)
  return GM_OK;
}

static gm_status load_all(gm_llama *llama, const gm_model_file *file,
                          const gm_groma_hparams *hparams, gm_error *err) {
  gm_weight_loader l = gm_weight_loader_at(file, err, "", 0);
  GM_TRY(load_shape(llama, &l, hparams));
  GM_TRY(load_ends(llama, &l));
  if (llama->vocab > INT32_MAX / 2)
    return gm_fail(err, GM_ERR_MODEL, "%s: found %zu tokens, wanted at most %d",
                   gm_model_file_name(file), llama->vocab, INT32_MAX / 2);
  llama->layers = calloc(llama->n_layers, sizeof *llama->layers);
  if (!llama->layers)
    return gm_fail_memory(err, "the language model", llama->n_layers * sizeof *llama->layers);
  for (size_t i = 0; i < llama->n_layers; i++) {
    l = gm_weight_loader_at(file, err, GM_LLAMA_LAYERS, i);
    GM_TRY(load_layer(&llama->layers[i], &l, llama));
  }
  return GM_OK;
}

gm_status gm_llama_load(gm_llama **out, const gm_model_file *file,
                        const gm_groma_hparams *hparams, gm_error *err) {
  *out = NULL;
  gm_llama *llama = calloc(1, sizeof *llama);
  if (!llama) return gm_fail_memory(err, "the language model", sizeof *llama);
  gm_status status = load_all(llama, file, hparams, err);
  if (status == GM_OK)
    *out = llama;
  else
    gm_llama_free(llama);
  return status;
}

void gm_llama_free(gm_llama *llama) {
  if (!llama) return;
  free(llama->layers);
  free(llama);
}

/* ---- forward ---- */

/* Rows of one run that are worked on now. */
typedef struct piece {
  gm_kv_seq *seq;
  const gm_llama_row *rows;
  size_t n, at; /* at: its first row among the active ones */
  size_t first; /* its first position in the sequence */
  size_t
      asking; /* rows that attend: n, and in the last layer only one whose logits are wanted */
  float *logits; /* not NULL in the piece that ends a run which wants them */
} piece;

/* Neighbouring pieces that attend in one call. */
typedef struct group {
  size_t first, n; /* pieces */
  size_t common;   /* positions that all of several pieces share; 0: none */
} group;

/* The rows that go through the layers now, at most GM_LLAMA_ROWS, and what is computed of them.
 */
typedef struct active_rows {
  piece *pieces;
  size_t n_pieces;
  size_t n;      /* rows in all; in the last layer, from its queries on, the asking ones */
  group *groups; /* room for n_pieces */
  size_t n_groups;
  gm_kv_span *spans;        /* room for all sequences' and those in common */
  gm_attention_part *parts; /* [n_pieces] */
  float *x, *normed;        /* [n, dim] */
  float *q, *mixed;         /* [n, dim] */
  float *k, *v;             /* [n, kv_dim] */
  float *gate, *up;         /* [n, ffn] */
  float *rope;              /* [n, head_dim] cosines and sines of each row's position */
} active_rows;

static void embed(const gm_llama *llama, const active_rows *active) {
  for (size_t i = 0; i < active->n_pieces; i++)
    for (size_t j = 0; j < active->pieces[i].n; j++) {
      const gm_llama_row *row = &active->pieces[i].rows[j];
      float *x = active->x + (active->pieces[i].at + j) * llama->dim;
      if (row->vector) {
        memcpy(x, row->vector, llama->dim * sizeof *x);
        continue;
      }
      assert(row->id >= 0 && (size_t)row->id < llama->vocab);
      bool added = (size_t)row->id >= llama->base_vocab;
      int32_t id = added ? row->id - (int32_t)llama->base_vocab : row->id;
      gm_get_rows(x, llama->dim, added ? &llama->new_embed : &llama->embed, &id, 1);
    }
}

static gm_attention_args attention_of(const gm_llama *llama, const gm_compute *c,
                                      const active_rows *active) {
  const gm_kv_shape *shape = &active->pieces[0].seq->shape;
  return (gm_attention_args){
      .q_row = llama->dim,
      .k_type = shape->k_type,
      .v_type = shape->v_type,
      .heads = llama->heads,
      .kv_heads = llama->kv_heads,
      .head_dim = llama->head_dim,
      .scale = 1 / sqrtf((float)llama->head_dim),
      .causal = true,
      .rounded = c->kernels->rounds[llama->layers[0].q.type],
      .out_row = llama->dim,
  };
}

/* Several pieces together: what they have in common is read once. */
static gm_status attend_group(const gm_llama *llama, gm_compute *c, const active_rows *active,
                              const group *g, size_t layer) {
  gm_attention_args args = attention_of(llama, c, active);
  const piece *asking = NULL; /* the first that does */
  gm_kv_span *spans = active->spans;
  args.spans = spans;
  args.n_spans = gm_kv_spans(active->pieces[g->first].seq, layer, 0, g->common, spans);
  args.parts = active->parts;
  spans += args.n_spans;
  for (size_t i = g->first; i < g->first + g->n; i++) {
    const piece *p = &active->pieces[i];
    if (p->asking == 0) continue;
    if (!asking) asking = p;
    size_t n = gm_kv_spans(p->seq, layer, g->common, p->first + p->n, spans);
    active->parts[args.n_parts++] = (gm_attention_part){spans, n, p->asking};
    args.tq += p->asking;
    spans += n;
  }
  if (!asking) return GM_OK;
  args.q = active->q + asking->at * llama->dim;
  args.out = active->mixed + asking->at * llama->dim;
  return gm_attention(c, &args);
}

static gm_status attend_alone(const gm_llama *llama, gm_compute *c, const active_rows *active,
                              const piece *p, size_t layer) {
  gm_attention_args args = attention_of(llama, c, active);
  if (p->asking == 0) return GM_OK;
  args.q = active->q + p->at * llama->dim;
  args.out = active->mixed + p->at * llama->dim;
  args.tq = p->asking;
  args.spans = active->spans;
  args.n_spans = gm_kv_spans(p->seq, layer, 0, p->first + p->n, active->spans);
  return gm_attention(c, &args);
}

static gm_status attend(const gm_llama *llama, gm_compute *c, const active_rows *active,
                        size_t layer) {
  for (size_t i = 0; i < active->n_groups; i++) {
    const group *g = &active->groups[i];
    if (g->n == 1)
      GM_TRY(attend_alone(llama, c, active, &active->pieces[g->first], layer));
    else
      GM_TRY(attend_group(llama, c, active, g, layer));
  }
  return GM_OK;
}

static void write_keys(const gm_llama *llama, gm_compute *c, const active_rows *active,
                       size_t layer) {
  size_t kv_dim = llama->kv_dim;
  for (size_t i = 0; i < active->n_pieces; i++) {
    const piece *p = &active->pieces[i];
    gm_kv_write(p->seq, &c->kernels->rows, layer, p->first, active->k + p->at * kv_dim,
                active->v + p->at * kv_dim, p->n);
  }
}

/* After the last layer's keys nothing is wanted of a row but its logits: those rows move to the
 * front, the others are done with. */
static void keep_wanted(const gm_llama *llama, active_rows *active) {
  size_t dim = llama->dim, kept = 0;
  for (size_t i = 0; i < active->n_pieces; i++) {
    piece *p = &active->pieces[i];
    p->asking = p->logits ? 1 : 0;
    if (!p->logits) continue;
    size_t row = p->at + p->n - 1;
    p->at = kept++;
    memmove(active->x + p->at * dim, active->x + row * dim, dim * sizeof *active->x);
    memmove(active->normed + p->at * dim, active->normed + row * dim,
            dim * sizeof *active->normed);
    memmove(active->rope + p->at * llama->head_dim, active->rope + row * llama->head_dim,
            llama->head_dim * sizeof *active->rope);
  }
  active->n = kept;
}

/* Queries, keys and values of a layer; the keys and values go to the cache. */
static gm_status make_queries(const gm_llama *llama, gm_compute *c, active_rows *active,
                              size_t i) {
  const gm_llama_layer *layer = &llama->layers[i];
  size_t dim = llama->dim, kv_dim = llama->kv_dim, heads = llama->heads;
  const gm_linear_out kvq[] = {{.w = &layer->k, .y = active->k, .ldy = kv_dim},
                               {.w = &layer->v, .y = active->v, .ldy = kv_dim},
                               {.w = &layer->q, .y = active->q, .ldy = dim}};
  bool last = i + 1 == llama->n_layers;
  GM_TRY(gm_linear(c, active->normed, dim, active->n, kvq, last ? 2 : 3));
  gm_rope(c, active->k, kv_dim, active->n, llama->kv_heads, llama->head_dim, active->rope);
  write_keys(llama, c, active, i);
  if (last) {
    keep_wanted(llama, active);
    c->way = GM_WAY_STEP;
    if (active->n > 0) GM_TRY(gm_linear(c, active->normed, dim, active->n, &kvq[2], 1));
  }
  gm_rope(c, active->q, dim, active->n, heads, llama->head_dim, active->rope);
  return GM_OK;
}

/* A layer of many rows is long. */
static gm_status pause(gm_compute *c) {
  return c->way == GM_WAY_READ ? gm_poll(c) : GM_OK;
}

static gm_status forward_layer(const gm_llama *llama, gm_compute *c, active_rows *active,
                               size_t i) {
  const gm_llama_layer *layer = &llama->layers[i];
  size_t dim = llama->dim, ffn = llama->ffn;
  gm_rms_norm(c, active->normed, active->x, active->n, dim, layer->attention_norm, llama->eps);
  GM_TRY(make_queries(llama, c, active, i));
  if (active->n == 0) return GM_OK;
  GM_TRY(pause(c));
  GM_TRY(attend(llama, c, active, i));
  const gm_linear_out o = {.w = &layer->o, .y = active->x, .ldy = dim, .accumulate = true};
  GM_TRY(gm_linear(c, active->mixed, dim, active->n, &o, 1));
  GM_TRY(pause(c));
  gm_rms_norm(c, active->normed, active->x, active->n, dim, layer->ffn_norm, llama->eps);
  const gm_linear_out wide[] = {{.w = &layer->gate, .y = active->gate, .ldy = ffn},
                                {.w = &layer->up, .y = active->up, .ldy = ffn}};
  GM_TRY(gm_linear(c, active->normed, dim, active->n, wide, 2));
  GM_TRY(pause(c));
  gm_silu_mul(c, active->gate, active->up, active->n * ffn);
  const gm_linear_out down = {
      .w = &layer->down, .y = active->x, .ldy = dim, .accumulate = true};
  return gm_linear(c, active->gate, ffn, active->n, &down, 1);
}

/* Logits of the rows that the last layer has left. */
static gm_status project(const gm_llama *llama, gm_compute *c, const active_rows *active) {
  if (active->n == 0) return GM_OK;
  gm_rms_norm(c, active->normed, active->x, active->n, llama->dim, llama->norm, llama->eps);
  float *logits = gm_scratch_f32(c, active->n * llama->vocab, "logits");
  if (!logits) return GM_ERR_MEMORY;
  const gm_linear_out heads[] = {
      {.w = &llama->head, .y = logits, .ldy = llama->vocab},
      {.w = &llama->extra_head, .y = logits + llama->base_vocab, .ldy = llama->vocab}};
  GM_TRY(gm_linear(c, active->normed, llama->dim, active->n, heads, 2));
  for (size_t i = 0; i < active->n_pieces; i++) {
    const piece *p = &active->pieces[i];
    if (p->logits)
      memcpy(p->logits, logits + p->at * llama->vocab, llama->vocab * sizeof *logits);
  }
  return GM_OK;
}

static gm_status take_scratch(const gm_llama *llama, gm_compute *c, active_rows *active) {
  size_t n = active->n, spans = 0, most = 0;
  for (size_t i = 0; i < active->n_pieces; i++) {
    size_t parts = active->pieces[i].seq->n_parts;
    spans += parts;
    if (parts > most) most = parts;
  }
  float *all = gm_scratch_f32(
      c, n * (4 * llama->dim + 2 * llama->kv_dim + 2 * llama->ffn + llama->head_dim),
      "the language model");
  active->groups =
      gm_scratch(c, active->n_pieces * sizeof *active->groups, "the language model");
  active->spans = gm_scratch(c, (spans + most) * sizeof *active->spans, "the language model");
  active->parts = gm_scratch(c, active->n_pieces * sizeof *active->parts, "the language model");
  if (!all || !active->groups || !active->spans || !active->parts) return GM_ERR_MEMORY;
  active->x = all;
  active->normed = active->x + n * llama->dim;
  active->q = active->normed + n * llama->dim;
  active->mixed = active->q + n * llama->dim;
  active->k = active->mixed + n * llama->dim;
  active->v = active->k + n * llama->kv_dim;
  active->gate = active->v + n * llama->kv_dim;
  active->up = active->gate + n * llama->ffn;
  active->rope = active->up + n * llama->ffn;
  return GM_OK;
}

/* Positions before the rows of both that they have in the same memory. */
static size_t common_positions(const piece *a, const piece *b) {
  size_t n = gm_kv_common(a->seq, b->seq), first = a->first < b->first ? a->first : b->first;
  return n < first ? n : first;
}

/* Pieces that share positions with the one before them go together. So do those that share
 * none, where each has one row: a call of its own would be little work for several threads. */
static void make_groups(const gm_compute *c, active_rows *active) {
  for (size_t i = 0; i < active->n_pieces;) {
    group g = {i, 1, 0};
    for (size_t common; i + g.n < active->n_pieces; g.n++) {
      common = common_positions(&active->pieces[i], &active->pieces[i + g.n]);
      if (common == 0) break;
      if (g.n == 1 || common < g.common) g.common = common;
    }
    i += g.n;
    group *last = active->n_groups > 0 ? &active->groups[active->n_groups - 1] : NULL;
    if (c->way == GM_WAY_STEP && g.n == 1 && last && last->common == 0)
      last->n++;
    else
      active->groups[active->n_groups++] = g;
  }
}

static int compare_pieces(const void *a, const void *b) {
  const piece *x = a, *y = b;
  uintptr_t i = (uintptr_t)x->seq->parts[0].block, j = (uintptr_t)y->seq->parts[0].block;
  return (i > j) - (i < j);
}

/* Puts pieces of one row side by side that share their first positions. */
static void sort_pieces(active_rows *active) {
  qsort(active->pieces, active->n_pieces, sizeof *active->pieces, compare_pieces);
  for (size_t i = 0; i < active->n_pieces; i++) active->pieces[i].at = i;
}

/* Progress as rows * layers: done, and all there are. */
typedef struct meter {
  void (*progress)(void *user, double done);
  void *user;
  double done, all;
} meter;

static gm_status forward_rows(const gm_llama *llama, gm_compute *c, active_rows *active,
                              meter *m) {
  if (c->way == GM_WAY_STEP) sort_pieces(active);
  GM_TRY(take_scratch(llama, c, active));
  make_groups(c, active);
  const double rows = (double)active->n;
  embed(llama, active);
  for (size_t i = 0; i < active->n_pieces; i++) {
    const piece *p = &active->pieces[i];
    gm_rope_table(c, active->rope + p->at * llama->head_dim, p->n, llama->head_dim, p->first,
                  llama->theta);
  }
  for (size_t i = 0; i < llama->n_layers; i++) {
    GM_TRY(gm_poll(c));
    GM_TRY(forward_layer(llama, c, active, i));
    m->done += rows;
    if (m->progress) m->progress(m->user, m->done / m->all);
  }
  return project(llama, c, active);
}

/* The run's sequence takes over the rows of the run that it comes after. */
static gm_status follow(const gm_llama_run *run, gm_error *err) {
  gm_kv_seq fork;
  GM_TRY(gm_kv_fork(&fork, run->after->seq, err));
  fork.least = run->seq->least;
  gm_kv_clear(run->seq);
  *run->seq = fork;
  return GM_OK;
}

/* The next n rows of a run, of which `done` are in earlier pieces. */
static gm_status add_piece(active_rows *active, const gm_llama_run *run, size_t done, size_t n,
                           gm_error *err) {
  if (done == 0 && run->after) GM_TRY(follow(run, err));
  size_t first = run->seq->n;
  GM_TRY(gm_kv_extend(run->seq, n, err));
  float *logits = done + n == run->n ? run->logits : NULL;
  active->pieces[active->n_pieces++] =
      (piece){run->seq, run->rows + done, n, active->n, first, n, logits};
  active->n += n;
  return GM_OK;
}

/* Splits the runs into parts of at most GM_LLAMA_ROWS rows, in order. */
static gm_status forward_runs(const gm_llama *llama, gm_compute *c, const gm_llama_run *runs,
                              size_t n_runs, piece *pieces, meter *m) {
  const gm_way way = c->way;
  gm_status status = GM_OK;
  for (size_t run = 0, done = 0; run < n_runs && status == GM_OK;) {
    active_rows active = {.pieces = pieces};
    while (run < n_runs && active.n < GM_LLAMA_ROWS) {
      size_t left = runs[run].n - done,
             n = left < GM_LLAMA_ROWS - active.n ? left : GM_LLAMA_ROWS - active.n;
      GM_TRY(add_piece(&active, &runs[run], done, n, c->err));
      done = n == left ? 0 : done + n;
      if (done == 0) run++;
    }
    gm_arena_mark mark = gm_arena_save(&c->arena);
    c->way = way;
    status = forward_rows(llama, c, &active, m);
    gm_arena_restore(&c->arena, mark);
  }
  return status;
}

static gm_status forward(const gm_llama *llama, gm_compute *c, const gm_llama_run *runs,
                         size_t n_runs, gm_way way, meter m) {
  const gm_way before_way = c->way;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  piece *pieces = gm_scratch(c, n_runs * sizeof *pieces, "the language model");
  size_t *before = gm_scratch(c, n_runs * sizeof *before, "the language model");
  gm_status status = pieces && before ? GM_OK : GM_ERR_MEMORY;
  if (status == GM_OK) {
    for (size_t i = 0; i < n_runs; i++) {
      assert(runs[i].n > 0 && (!runs[i].after || runs[i].after < &runs[i]));
      before[i] = runs[i].seq->n;
      m.all += (double)(runs[i].n * llama->n_layers);
    }
    c->way = way;
    status = forward_runs(llama, c, runs, n_runs, pieces, &m);
    if (status != GM_OK)
      for (size_t i = 0; i < n_runs; i++) gm_kv_truncate(runs[i].seq, before[i]);
  }
  gm_arena_restore(&c->arena, mark);
  c->way = before_way;
  return status;
}

gm_status gm_llama_forward(const gm_llama *llama, gm_compute *c, const gm_llama_run *runs,
                           size_t n_runs, void (*progress)(void *user, double done),
                           void *progress_user) {
  return forward(llama, c, runs, n_runs, GM_WAY_READ,
                 (meter){.progress = progress, .user = progress_user});
}

gm_status gm_llama_step(const gm_llama *llama, gm_compute *c, const gm_llama_run *runs,
                        size_t n_runs) {
  for (size_t i = 0; i < n_runs; i++) assert(runs[i].n == 1 && !runs[i].after);
  return forward(llama, c, runs, n_runs, GM_WAY_STEP, (meter){0});
}
