/* bpe.c - see bpe.h. The heap holds proposed merges. If a merge's symbols have changed since,
 * its length no longer fits, and it is dropped when it is popped. */
#include "bpe.h"

#include <assert.h>
#include <stdlib.h>

typedef struct merge {
  float score;
  uint32_t left, right; /* symbols */
  uint32_t length;      /* of both together, when proposed */
  int32_t id;
} merge;

typedef struct merger {
  gm_bpe_symbol *symbols;
  const gm_bpe_rule *rule;
  merge *heap;
  size_t n, capacity; /* of the heap */
} merger;

static bool comes_before(const merge *a, const merge *b) {
  return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static gm_status push(merger *m, merge item, gm_error *err) {
  if (m->n == m->capacity) {
    size_t capacity = m->capacity ? 2 * m->capacity : 64; /* below 3 per symbol: no wrap */
    merge *grown = realloc(m->heap, capacity * sizeof *grown);
    if (!grown) return gm_fail_memory(err, "the tokenizer", capacity * sizeof *grown);
    m->heap = grown;
    m->capacity = capacity;
  }
  size_t at = m->n++;
  while (at > 0 && comes_before(&item, &m->heap[(at - 1) / 2])) {
    m->heap[at] = m->heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  m->heap[at] = item;
  return GM_OK;
}

static merge pop(merger *m) {
  assert(m->n > 0);
  merge top = m->heap[0], last = m->heap[--m->n];
  size_t at = 0;
  for (size_t child = 1; child < m->n; child = 2 * at + 1) {
    if (child + 1 < m->n && comes_before(&m->heap[child + 1], &m->heap[child])) child++;
    if (!comes_before(&m->heap[child], &last)) break;
    m->heap[at] = m->heap[child];
    at = child;
  }
  m->heap[at] = last;
  return top;
}

/* Puts the pair on the heap if it can be merged. */
static gm_status propose(merger *m, uint32_t left, uint32_t right, gm_error *err) {
  if (left == GM_BPE_NONE || right == GM_BPE_NONE) return GM_OK;
  const gm_bpe_symbol *a = &m->symbols[left], *b = &m->symbols[right];
  assert(a->next == right && b->previous == left && a->length && b->length);
  merge item = {0, left, right, a->length + b->length, -1};
  if (!m->rule->find(m->rule->user, a, b, &item.id, &item.score)) return GM_OK;
  return push(m, item, err);
}

/* Joins the pair unless one of its symbols has changed since it was proposed. */
static bool join(merger *m, const merge *item) {
  gm_bpe_symbol *left = &m->symbols[item->left], *right = &m->symbols[item->right];
  if (!left->length || !right->length || left->length + right->length != item->length)
    return false;
  left->length += right->length;
  left->id = item->id;
  left->next = right->next;
  if (right->next != GM_BPE_NONE) m->symbols[right->next].previous = item->left;
  right->length = 0;
  return true;
}

/* Merges the best pair; with rounds, all pairs of its score, since a score is then the rank of
 * one pair. New pairs are proposed after the round, even better ones. `joined` has room for a
 * round: less than one per symbol. */
static gm_status merge_best(merger *m, uint32_t *joined, gm_error *err) {
  float score = m->heap[0].score;
  size_t n = 0;
  do {
    merge item = pop(m);
    if (join(m, &item)) joined[n++] = item.left;
  } while (m->rule->rounds && m->n && m->heap[0].score == score);
  for (size_t i = 0; i < n; i++) {
    gm_bpe_symbol *symbol = &m->symbols[joined[i]];
    assert(symbol->length > 0);
    bool pair_is_proposed = i > 0 && symbol->previous == joined[i - 1];
    if (!pair_is_proposed) GM_TRY(propose(m, symbol->previous, joined[i], err));
    GM_TRY(propose(m, joined[i], symbol->next, err));
  }
  return GM_OK;
}

static gm_status merge_all(merger *m, size_t n, uint32_t *joined, gm_error *err) {
  for (size_t s = 0; s + 1 < n; s++) GM_TRY(propose(m, (uint32_t)s, (uint32_t)s + 1, err));
  while (m->n) GM_TRY(merge_best(m, joined, err));
  return GM_OK;
}

gm_status gm_bpe_merge(gm_bpe_symbol *symbols, size_t n, const gm_bpe_rule *rule,
                       gm_error *err) {
  for (size_t s = 0; s < n; s++) {
    symbols[s].previous = s ? (uint32_t)s - 1 : GM_BPE_NONE;
    symbols[s].next = s + 1 < n ? (uint32_t)s + 1 : GM_BPE_NONE;
  }
  if (n < 2) return GM_OK;
  uint32_t *joined = malloc((rule->rounds ? n : 1) * sizeof *joined);
  if (!joined) return gm_fail_memory(err, "the tokenizer", n * sizeof *joined);
  merger m = {symbols, rule, NULL, 0, 0};
  gm_status status = merge_all(&m, n, joined, err);
  free(m.heap);
  free(joined);
  return status;
}
