/* bpe.h - byte-pair encoding: neighbouring symbols of a text are merged into one, best pair
 * first, until no pair can be. O(n log n) with a heap. What may be merged and how good that is
 * comes from the tokenizer.
 *
 * Two orders are in use. SentencePiece (bpe_model.cc) takes the pair with the highest score, of
 * equal ones the leftmost, and looks again. GPT-2 and CLIP take the pair of lowest rank and
 * merge all its occurrences from left to right before they look again: `rounds`. */
#ifndef GM_BPE_H
#define GM_BPE_H

#include "status.h"

#define GM_BPE_NONE UINT32_MAX /* no symbol */
enum { GM_BPE_MAX_SYMBOLS = 1 << 26 };

/* One symbol in the linked list of what the text consists of at the moment. */
typedef struct gm_bpe_symbol {
  uint32_t begin, length; /* bytes of the text; length 0: merged into the one before */
  uint32_t previous, next;
  int32_t id; /* the vocabulary's; -1: none */
} gm_bpe_symbol;

typedef struct gm_bpe_rule {
  /* Whether the pair makes a symbol: its id and its score (the higher the earlier). */
  bool (*find)(const void *user, const gm_bpe_symbol *left, const gm_bpe_symbol *right,
               int32_t *id, float *score);
  const void *user;
  bool rounds;
} gm_bpe_rule;

/* Links symbols[0..n), n <= GM_BPE_MAX_SYMBOLS, and merges them in place: the result starts at
 * symbols[0] and goes on by .next to GM_BPE_NONE. Errors: GM_ERR_MEMORY. */
gm_status gm_bpe_merge(gm_bpe_symbol *symbols, size_t n, const gm_bpe_rule *rule,
                       gm_error *err);

#endif
