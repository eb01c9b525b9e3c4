/* row_tree.c - see row_tree.h. The runs are sorted by their rows, so that those with a common
 * beginning are neighbours. */
#include "row_tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Some order in which equal rows, and only those, are equal. */
static int compare_rows(const gm_llama_row *a, const gm_llama_row *b) {
  if (a->vector != b->vector) return (uintptr_t)a->vector < (uintptr_t)b->vector ? -1 : 1;
  if (a->vector || a->id == b->id) return 0;
  return a->id < b->id ? -1 : 1;
}

static int compare_runs(const void *a, const void *b) {
  const gm_llama_run *x = a, *y = b;
  for (size_t i = 0; i < x->n && i < y->n; i++) {
    int order = compare_rows(&x->rows[i], &y->rows[i]);
    if (order != 0) return order;
  }
  return (x->n > y->n) - (x->n < y->n);
}

/* Rows from `depth` on that all of n runs begin with, less the last of any. */
static size_t common_rows(const gm_llama_run *runs, size_t n, size_t depth) {
  size_t i = depth;
  for (;; i++)
    for (size_t j = 0; j < n; j++)
      if (i + 1 >= runs[j].n || compare_rows(&runs[0].rows[i], &runs[j].rows[i]) != 0)
        return i - depth;
}

/* Adds a run of n sorted ones' common rows, or the only one's own rest. */
static gm_status add_run(gm_row_tree *tree, const gm_llama_run *sorted, size_t n, size_t depth,
                         size_t length, const gm_llama_run *after, gm_error *err) {
  assert(length > 0 && depth + length <= sorted->n);
  gm_llama_run run = {sorted->seq, sorted->rows + depth, length, sorted->logits, after};
  if (n > 1) {
    run.logits = NULL;
    run.seq = &tree->seqs[tree->n_seqs];
    GM_TRY(gm_kv_fork(run.seq, sorted->seq, err));
    run.seq->least = length;
    tree->n_seqs++;
  }
  tree->runs[tree->n++] = run;
  return GM_OK;
}

/* The n sorted runs, the first `depth` rows of which are done. */
static gm_status grow(gm_row_tree *tree, const gm_llama_run *sorted, size_t n, size_t depth,
                      const gm_llama_run *after, gm_error *err) {
  for (size_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && common_rows(sorted + i, end + 1 - i, depth) > 0;) end++;
    size_t among = end - i, length = common_rows(sorted + i, among, depth);
    if (among == 1) length = sorted[i].n - depth;
    GM_TRY(add_run(tree, sorted + i, among, depth, length, after, err));
    if (among > 1)
      GM_TRY(grow(tree, sorted + i, among, depth + length, &tree->runs[tree->n - 1], err));
  }
  return GM_OK;
}

gm_status gm_row_tree_grow(gm_row_tree *tree, const gm_llama_run *runs, size_t n,
                           gm_error *err) {
  *tree = (gm_row_tree){0};
  gm_llama_run *sorted = malloc(n * sizeof *sorted);
  tree->runs = malloc(2 * n * sizeof *tree->runs); /* fewer forks than leaves */
  tree->seqs = malloc(n * sizeof *tree->seqs);
  gm_status status = sorted && tree->runs && tree->seqs
                         ? GM_OK
                         : gm_fail_memory(err, "the questions", 3 * n * sizeof *sorted);
  if (status == GM_OK) {
    memcpy(sorted, runs, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_runs);
    status = grow(tree, sorted, n, 0, NULL, err);
    assert(tree->n <= 2 * n && tree->n_seqs < n); /* what runs and seqs have room for */
  }
  free(sorted);
  return status;
}

void gm_row_tree_free(gm_row_tree *tree) {
  for (size_t i = 0; i < tree->n_seqs; i++) gm_kv_clear(&tree->seqs[i]);
  free(tree->runs);
  free(tree->seqs);
  *tree = (gm_row_tree){0};
}
