/* row_tree.h - sequences whose next rows begin alike: what several have in common becomes a run
 * of its own, and their runs come after it, so that it is computed once and in the same pass.
 */
#ifndef GM_ROW_TREE_H
#define GM_ROW_TREE_H

#include "llama.h"

/* All zero is empty. Not thread-safe. */
typedef struct gm_row_tree {
  gm_llama_run *runs; /* [n] for gm_llama_forward */
  gm_kv_seq *seqs;    /* [n_seqs] of the runs that are in common */
  size_t n, n_seqs;
} gm_row_tree;

/* Makes the tree of n runs (at least one) whose sequences are forks of each other. Every run
 * keeps its last row for itself, so that its logits are its own. The given runs' sequences,
 * rows and logits must outlive the tree, which is to be freed after the forward pass, and also
 * after a failure (GM_ERR_MEMORY). */
gm_status gm_row_tree_grow(gm_row_tree *tree, const gm_llama_run *runs, size_t n,
                           gm_error *err);
void gm_row_tree_free(gm_row_tree *tree);

#endif
