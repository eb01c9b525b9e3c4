/* llama_bpe.c - see llama_bpe.h. The heap holds proposed merges; one whose symbols have changed
 * since is recognised by its length and dropped when it comes up. */
#include "llama_bpe.h"

#include "utf8.h"

#include <stdlib.h>

typedef struct merge {
  float score;
  uint32_t left, right; /* symbols */
  uint32_t length;      /* of both together, when proposed */
} merge;

typedef struct heap {
  merge *items;
  size_t n, capacity;
} heap;

static bool comes_before(const merge *a, const merge *b) {
  return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static gm_status heap_push(heap *h, merge m, gm_error *err) {
  if (h->n == h->capacity) {
    size_t capacity = h->capacity ? 2 * h->capacity : 64; /* at most 2 per symbol: no wrap */
    merge *grown = realloc(h->items, capacity * sizeof *grown);
    if (!grown) return gm_fail_memory(err, "the tokenizer", capacity * sizeof *grown);
    h->items = grown;
    h->capacity = capacity;
  }
  size_t at = h->n++;
  while (at > 0 && comes_before(&m, &h->items[(at - 1) / 2])) {
    h->items[at] = h->items[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  h->items[at] = m;
  return GM_OK;
}

static merge heap_pop(heap *h) {
  merge top = h->items[0], last = h->items[--h->n];
  size_t at = 0;
  for (size_t child = 1; child < h->n; child = 2 * at + 1) {
    if (child + 1 < h->n && comes_before(&h->items[child + 1], &h->items[child])) child++;
    if (!comes_before(&h->items[child], &last)) break;
    h->items[at] = h->items[child];
    at = child;
  }
  h->items[at] = last;
  return top;
}

static gm_status split_characters(gm_bpe_symbol **out, const char *text, size_t n,
                                  gm_error *err) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
  gm_bpe_symbol *symbols = malloc(count * sizeof *symbols);
  if (!symbols) return gm_fail_memory(err, "the tokenizer", count * sizeof *symbols);
  uint32_t s = 0;
  for (size_t i = 0; i < n; s++) {
    uint32_t code;
    size_t length = gm_utf8_read(text + i, n - i, &code);
    symbols[s] = (gm_bpe_symbol){(uint32_t)i, (uint32_t)length, s ? s - 1 : GM_BPE_NONE, s + 1};
    i += length;
  }
  symbols[s - 1].next = GM_BPE_NONE;
  *out = symbols;
  return GM_OK;
}

typedef struct merger {
  const char *text;
  const gm_piece_table *pieces;
  const float *scores;
  gm_bpe_symbol *symbols;
  heap heap;
} merger;

/* Puts the pair on the heap if it makes a piece. */
static gm_status propose(merger *m, uint32_t left, uint32_t right, gm_error *err) {
  if (left == GM_BPE_NONE || right == GM_BPE_NONE) return GM_OK;
  const gm_bpe_symbol *a = &m->symbols[left], *b = &m->symbols[right];
  uint32_t length = a->length + b->length;
  int32_t id = gm_piece_table_find(m->pieces, m->text + a->begin, length);
  if (id < 0) return GM_OK;
  return heap_push(&m->heap, (merge){m->scores[id], left, right, length}, err);
}

static gm_status merge_all(merger *m, gm_error *err) {
  for (uint32_t s = 0; s != GM_BPE_NONE; s = m->symbols[s].next)
    GM_TRY(propose(m, s, m->symbols[s].next, err));
  while (m->heap.n) {
    merge top = heap_pop(&m->heap);
    gm_bpe_symbol *left = &m->symbols[top.left], *right = &m->symbols[top.right];
    if (!left->length || !right->length || left->length + right->length != top.length) continue;
    left->length += right->length;
    left->next = right->next;
    if (right->next != GM_BPE_NONE) m->symbols[right->next].previous = top.left;
    right->length = 0;
    GM_TRY(propose(m, left->previous, top.left, err));
    GM_TRY(propose(m, top.left, left->next, err));
  }
  return GM_OK;
}

gm_status gm_llama_bpe(gm_bpe_symbol **out, const char *text, size_t n,
                       const gm_piece_table *pieces, const float *scores, gm_error *err) {
  *out = NULL;
  merger m = {text, pieces, scores, NULL, {0}};
  GM_TRY(split_characters(&m.symbols, text, n, err));
  gm_status status = merge_all(&m, err);
  free(m.heap.items);
  if (status == GM_OK)
    *out = m.symbols;
  else
    free(m.symbols);
  return status;
}
