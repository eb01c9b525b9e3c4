/* llama_train_loss.c - see llama_train.h: from the last state to the loss and back to it. */
#include "llama_train.h"

#include <string.h>

/* Rows whose logits are in memory at once. */
enum { LOGIT_ROWS = 256 };

/* Some rows with targets, and what is computed of them. */
typedef struct target_rows {
  size_t *rows;                  /* [m] of the last state */
  int32_t *targets;              /* [m] */
  float *x, *normed, *d, *stats; /* [m, dim], [m, 2] */
  float *logits;                 /* [m, vocab] */
  size_t m;
} target_rows;

static gm_status allocate_targets(const gm_llama_pass *pass, target_rows *r, size_t m) {
  gm_compute *c = pass->t->c;
  const gm_llama *l = pass->llama;
  if (m > LOGIT_ROWS) m = LOGIT_ROWS;
  r->rows = gm_scratch(c, m * sizeof *r->rows, "the targets");
  r->targets = gm_scratch(c, m * sizeof *r->targets, "the targets");
  r->x = gm_scratch_f32(c, m * (3 * l->dim + 2), "the targets");
  r->logits = gm_scratch_f32(c, m * l->vocab, "logits");
  if (!r->rows || !r->targets || !r->x || !r->logits) return GM_ERR_MEMORY;
  r->normed = r->x + m * l->dim;
  r->d = r->normed + m * l->dim;
  r->stats = r->d + m * l->dim;
  return GM_OK;
}

static gm_status back_to_state(const gm_llama_pass *pass, const target_rows *r) {
  const gm_llama *l = pass->llama;
  const gm_training *t = pass->t;
  const bool below = pass->input || pass->lowest < l->n_layers || gm_learns(t, l->norm);
  float *d = below ? r->d : NULL;
  GM_TRY(gm_linear_back(t, &l->head, NULL, r->normed, l->dim, r->logits, l->vocab, r->m, d,
                        l->dim, false));
  GM_TRY(gm_linear_back(t, &l->extra_head, NULL, r->normed, l->dim, r->logits + l->base_vocab,
                        l->vocab, r->m, d, l->dim, true));
  if (!below) return GM_OK;
  /* The gradient by the normed rows takes the place of theirs, which are not needed again. */
  GM_TRY(gm_rms_norm_back(t, r->normed, false, r->x, r->stats, r->d, r->m, l->dim, l->norm));
  for (size_t i = 0; i < r->m; i++)
    memcpy(pass->d + r->rows[i] * l->dim, r->normed + i * l->dim, l->dim * sizeof *r->d);
  return GM_OK;
}

/* Loss and gradient of r->m rows; count: targets of the whole batch. */
static gm_status rows_loss(const gm_llama_pass *pass, const target_rows *r, double count,
                           double *loss) {
  const gm_llama *l = pass->llama;
  const gm_training *t = pass->t;
  for (size_t i = 0; i < r->m; i++)
    memcpy(r->x + i * l->dim, pass->states[l->n_layers] + r->rows[i] * l->dim,
           l->dim * sizeof *r->x);
  gm_rms_norm_train(t, r->normed, r->x, r->stats, r->m, l->dim, l->norm, l->eps);
  GM_TRY(gm_linear_train(t, &l->head, NULL, r->normed, l->dim, r->m, r->logits, l->vocab));
  GM_TRY(gm_linear_train(t, &l->extra_head, NULL, r->normed, l->dim, r->m,
                         r->logits + l->base_vocab, l->vocab));
  gm_cross_entropy(t, r->logits, l->vocab, r->m, l->vocab, r->targets, count, loss);
  return pass->learns ? back_to_state(pass, r) : GM_OK;
}

static gm_status targets_loss(const gm_llama_pass *pass, size_t n_targets, double *loss) {
  target_rows r;
  GM_TRY(allocate_targets(pass, &r, n_targets));
  r.m = 0;
  for (size_t i = 0, left = n_targets; left > 0; i++) {
    const int32_t target = pass->batch->targets[pass->asked[i]];
    if (target < 0) continue;
    r.rows[r.m] = i;
    r.targets[r.m++] = target;
    if (--left > 0 && r.m < LOGIT_ROWS) continue;
    double part = 0;
    GM_TRY(gm_poll(pass->t->c));
    GM_TRY(rows_loss(pass, &r, (double)n_targets, &part));
    *loss += part;
    r.m = 0;
  }
  return GM_OK;
}

gm_status gm_llama_train_loss(gm_llama_pass *pass, double *loss) {
  const gm_llama_batch *b = pass->batch;
  gm_compute *c = pass->t->c;
  size_t n_targets = 0;
  for (size_t i = 0; i < b->n_rows; i++) n_targets += b->targets[i] >= 0;
  *loss = 0;
  if (pass->learns) memset(pass->d, 0, pass->n_asked * pass->llama->dim * sizeof *pass->d);
  if (n_targets == 0) return GM_OK;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = targets_loss(pass, n_targets, loss);
  gm_arena_restore(&c->arena, mark);
  return status;
}
