/* kv_cache.h - the language model's keys and values, in blocks that sequences share.
 *
 * A sequence is a list of blocks, each with the keys and values of consecutive positions in
 * every layer. A fork shares all positions of its parent and both then write into blocks of
 * their own: a picture's prefix is computed once for all questions, and a chat
 * can go back to an earlier point. Nothing is ever copied or moved.
 *
 * A status is GM_OK or GM_ERR_MEMORY. Not thread-safe: the sequences that share blocks belong
 * to one thread at a time. */
#ifndef GM_KV_CACHE_H
#define GM_KV_CACHE_H

#include "mapping.h"
#include "ops.h"

typedef struct gm_kv_shape {
  size_t layers, kv_heads, head_dim;
  gm_type k_type, v_type; /* that gm_kv_fits head_dim */
} gm_kv_shape;

/* Per layer: keys [kv_heads, capacity, head_dim], then values, of the shape's types. */
typedef struct gm_kv_block gm_kv_block;

/* The first n positions of a block. Nothing is written after them while another sequence has
 * the block too. */
typedef struct gm_kv_part {
  gm_kv_block *block;
  size_t n;
} gm_kv_part;

/* All zero with the shape filled in is an empty sequence. */
typedef struct gm_kv_seq {
  gm_kv_shape shape;
  gm_kv_part *parts;
  size_t n_parts, max_parts;
  size_t n;     /* positions: the sum of the parts' n */
  size_t least; /* positions that a new block has room for at least; 0: 128 */
} gm_kv_seq;

/* *out shares all positions of parent; both go on in new blocks. On failure *out is empty. */
gm_status gm_kv_fork(gm_kv_seq *out, gm_kv_seq *parent, gm_error *err);

/* Adds n positions, which hold nothing until they are written. New blocks have room for `least`
 * positions, or for more where more are asked for, so that a prefix wastes nothing; what is
 * left in the last one is used first. On failure the sequence is as it was. */
gm_status gm_kv_extend(gm_kv_seq *seq, size_t n, gm_error *err);
/* Bytes of memory that it takes for n positions more; 0: they fit into the last block. */
size_t gm_kv_growth(const gm_kv_seq *seq, size_t n);

/* Writes keys and values [t, kv_heads * head_dim] of one layer at positions first ..
 * first + t - 1 of the sequence; forks that have these positions see them too. */
void gm_kv_write(gm_kv_seq *seq, const gm_row_kernels *kernels, size_t layer, size_t first,
                 const float *k, const float *v, size_t t);

/* Spans of one layer that hold positions first .. end - 1; spans has room for n_parts entries.
 * Returns their number. */
size_t gm_kv_spans(const gm_kv_seq *seq, size_t layer, size_t first, size_t end,
                   gm_kv_span *spans);

/* Positions at the start that both sequences have in the same place of memory. */
size_t gm_kv_common(const gm_kv_seq *a, const gm_kv_seq *b);

/* Makes room for n more positions as one block of just that size, so that they are one piece
 * once they are computed (gm_kv_piece). */
gm_status gm_kv_reserve_piece(gm_kv_seq *seq, size_t n, gm_error *err);

/* Forgets the positions from n on (n <= seq->n). */
void gm_kv_truncate(gm_kv_seq *seq, size_t n);

/* The bytes of n positions from `first` on as one piece, for keeping them between runs; NULL
 * where they are not one block, filled to its end. They are gm_kv_bytes(shape, n). */
const void *gm_kv_piece(const gm_kv_seq *seq, size_t first, size_t n);
/* Of n positions; 0 where the number would wrap. */
size_t gm_kv_bytes(const gm_kv_shape *shape, size_t n);
/* Puts n positions, that gm_kv_piece gave once, after those of a sequence: they begin at
 * `offset` of the file (a multiple of 64), which the sequence takes over (in any case) and only
 * reads. */
gm_status gm_kv_adopt(gm_kv_seq *seq, gm_mapping *file, size_t offset, size_t n, gm_error *err);

/* Memory of the blocks that the sequence has, room and pages of files counted; blocks that it
 * shares too. */
size_t gm_kv_memory(const gm_kv_seq *seq);
/* The same without blocks that another sequence has too. */
size_t gm_kv_own_memory(const gm_kv_seq *seq);

/* Empties the sequence and frees blocks that no other sequence shares; the shape stays. */
void gm_kv_clear(gm_kv_seq *seq);

#endif
