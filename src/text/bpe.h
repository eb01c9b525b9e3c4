/* bpe.h - byte-pair encoding: neighbouring symbols of a text are merged into one, the best pair
 * first, until no pair can be merged. O(n log n) with a heap. The tokenizer decides which pairs
 * may be merged and their scores.
 *
 * Two orders are in use. SentencePiece (bpe_model.cc) merges the pair with the highest score,
 * the leftmost of equal ones, then searches again. GPT-2 and CLIP take the pair of lowest rank
 * and merge all its occurrences from left to right before they search again: `rounds`. */
#ifndef GM_BPE_H
#define GM_BPE_H

#include "status.h"

#define GM_BPE_NONE UINT32_MAX /* no symbol */
enum { GM_BPE_MAX_SYMBOLS = 1 << 26 };

/* One symbol in the linked list that makes up the text. */
typedef struct gm_bpe_symbol {
  uint32_t begin, length; /* bytes of the text; length 0: merged into the one before */
  uint32_t previous, next;
  int32_t id; /* in the vocabulary; -1: none */
} gm_bpe_symbol;

typedef struct gm_bpe_rule {
  /* Whether the pair can be merged; if so, the new symbol's id and score (higher ones first).
   */
  bool (*find)(const void *user, const gm_bpe_symbol *left, const gm_bpe_symbol *right,
               int32_t *id, float *score);
  const void *user;
  bool rounds;
} gm_bpe_rule;

/* Links symbols[0..n), n <= GM_BPE_MAX_SYMBOLS, and merges them in place. The result starts at
 * symbols[0] and follows .next up to GM_BPE_NONE. Errors: GM_ERR_MEMORY. */
gm_status gm_bpe_merge(gm_bpe_symbol *symbols, size_t n, const gm_bpe_rule *rule,
                       gm_error *err);

#endif
