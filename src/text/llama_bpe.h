/* llama_bpe.h - SentencePiece's BPE: characters of a text, merged pair by pair into pieces.
 *
 * The pair whose union is the piece with the highest score goes first, among equals the
 * leftmost (SentencePiece, bpe_model.cc: the order of its agenda). O(n log n) with a heap. */
#ifndef GM_LLAMA_BPE_H
#define GM_LLAMA_BPE_H

#include "piece_table.h"

/* One symbol in the linked list of what the text consists of at the moment. */
typedef struct gm_bpe_symbol {
  uint32_t begin, length; /* bytes of the text; length 0: merged into another */
  uint32_t previous, next;
} gm_bpe_symbol;

enum { GM_BPE_NONE = UINT32_MAX, GM_BPE_MAX_TEXT = 1 << 26 };

/* Splits text[0..n), valid UTF-8, 1 <= n <= GM_BPE_MAX_TEXT, into symbols and merges them.
 * scores are indexed by the table's values. *out is a list that starts at (*out)[0] and goes on
 * by .next to GM_BPE_NONE; free() it. Errors: GM_ERR_MEMORY. */
gm_status gm_llama_bpe(gm_bpe_symbol **out, const char *text, size_t n,
                       const gm_piece_table *pieces, const float *scores, gm_error *err);

#endif
