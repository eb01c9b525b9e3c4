/* piece_table.h - byte string -> number: the hash table behind vocabularies.
 *
 * Open addressing, at most half full; keys are borrowed and must outlive the table. Immutable
 * once filled, so safe to share between threads. */
#ifndef GM_PIECE_TABLE_H
#define GM_PIECE_TABLE_H

#include "status.h"

typedef struct gm_piece_slot {
  const char *key; /* NULL: free */
  uint32_t length;
  int32_t value;
} gm_piece_slot;

typedef struct gm_piece_table {
  gm_piece_slot *slots;
  size_t capacity;   /* a power of two */
  size_t max_length; /* of any key, in bytes */
} gm_piece_table;

/* Room for n keys. */
gm_status gm_piece_table_create(gm_piece_table *out, size_t n, gm_error *err);
/* Adds key[0..length), length >= 1; if the key exists, its value stays. GM_ERR_MODEL if
 * thousands of keys collide, which does not happen by chance. */
gm_status gm_piece_table_add(gm_piece_table *table, const char *key, size_t length,
                             int32_t value, gm_error *err);
/* The value of the key, or -1. */
int32_t gm_piece_table_find(const gm_piece_table *table, const char *key, size_t length);
void gm_piece_table_free(gm_piece_table *table);

#endif
