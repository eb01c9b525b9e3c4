/* run_caption.c - see run_caption.h. */
#include "run_caption.h"

#include "grounded_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- decoding ---- */

static int32_t best_of(const float *logits, size_t n) {
  size_t best = 0;
  for (size_t i = 1; i < n; i++)
    if (logits[i] > logits[best]) best = i;
  return (int32_t)best;
}

static gm_status push(const gm_groma *g, gm_grounded_text *out, int32_t id, gm_error *err) {
  return id == g->prompt->eos ? GM_OK : gm_grounded_text_push(out, id, err);
}

/* Reads rows[n], then says at most `most` ids. */
static gm_status say(const gm_groma *g, gm_compute *c, gm_kv_seq *seq, const gm_llama_row *rows,
                     size_t n, size_t most, gm_grounded_text *out) {
  float *logits = gm_scratch_f32(c, g->llama->vocab, "logits");
  if (!logits) return GM_ERR_MEMORY;
  gm_llama_run run = {.seq = seq, .rows = rows, .n = n, .logits = logits};
  GM_TRY(gm_llama_forward(g->llama, c, &run, 1, NULL, NULL));
  for (size_t i = 0; i < most; i++) {
    const gm_llama_row row = {.id = best_of(logits, g->llama->vocab)};
    if (row.id == g->prompt->eos) break;
    GM_TRY(push(g, out, row.id, c->err));
    run = (gm_llama_run){.seq = seq, .rows = &row, .n = 1, .logits = logits};
    GM_TRY(gm_llama_step(g->llama, c, &run, 1));
  }
  return gm_grounded_text_finish(out, c->err);
}

/* The rows up to the one that predicts the first id of the answer. */
static gm_status say_answer(const gm_groma *g, const gm_instruct_pass *p, size_t length,
                            gm_grounded_text *out) {
  gm_compute *c = p->t->c;
  size_t n = p->words.asked[0] + 1, D = g->llama->dim;
  gm_kv_seq seq = {.shape = g->kv_shape};
  gm_llama_row *rows = gm_scratch(c, n * sizeof *rows, "the rows of a question");
  if (!rows) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    int32_t id = p->rows.ids[i];
    rows[i] = id >= 0 ? (gm_llama_row){.id = id}
                      : (gm_llama_row){.vector = p->vectors + (size_t)(-1 - id) * D};
  }
  gm_status status = say(g, c, &seq, rows, n, 2 * length, out);
  gm_kv_clear(&seq);
  return status;
}

/* ---- counting ---- */

static bool same_phrase(const gm_grounded_text *a, size_t i, const gm_grounded_text *b,
                        size_t k) {
  const gm_grounded_phrase *x = &a->phrases[i], *y = &b->phrases[k];
  size_t n = x->end - x->begin;
  return n == y->end - y->begin &&
         strncasecmp(a->text.bytes + x->begin, b->text.bytes + y->begin, n) == 0;
}

static gm_status count(const gm_grounded_text *said, const gm_grounded_text *wanted, double *f1,
                       gm_error *err) {
  bool *used = calloc(wanted->n_phrases + 1, sizeof *used);
  size_t common = 0, both = said->n_phrases + wanted->n_phrases;
  if (!used) return gm_fail_memory(err, "phrases", wanted->n_phrases);
  for (size_t i = 0; i < said->n_phrases; i++)
    for (size_t k = 0; k < wanted->n_phrases; k++) {
      if (used[k] || !same_phrase(said, i, wanted, k)) continue;
      used[k] = true;
      common++;
      break;
    }
  free(used);
  *f1 = both ? 2.0 * (double)common / (double)both : 1;
  return GM_OK;
}

/* The true answer: the first run of targets. *length = its ids. */
static gm_status read_wanted(const gm_groma *g, const gm_instruct_pass *p, size_t *length,
                             gm_grounded_text *out) {
  gm_error *err = p->t->c->err;
  const size_t *rows = p->words.asked;
  for (*length = 0; *length < p->words.n_asked; ++*length) {
    if (*length && rows[*length] != rows[*length - 1] + 1) break;
    GM_TRY(push(g, out, p->targets.ids[rows[*length]], err));
  }
  return gm_grounded_text_finish(out, err);
}

gm_status gm_run_caption_f1(const gm_groma *g, const gm_instruct_pass *p, double *f1) {
  gm_error *err = p->t->c->err;
  gm_grounded_text said = {0}, wanted = {0};
  const gm_grounded_text_params params = {.tokenizer = g->tokenizer,
                                          .n_regions = p->items[0].sequence->n_regions};
  size_t length;
  *f1 = 0;
  if (!p->words.n_asked) return GM_OK;
  gm_status status = gm_grounded_text_begin(&said, &params, err);
  if (status == GM_OK) status = gm_grounded_text_begin(&wanted, &params, err);
  if (status == GM_OK) status = read_wanted(g, p, &length, &wanted);
  if (status == GM_OK) status = say_answer(g, p, length, &said);
  if (status == GM_OK) status = count(&said, &wanted, f1, err);
  gm_grounded_text_free(&said);
  gm_grounded_text_free(&wanted);
  return status;
}
