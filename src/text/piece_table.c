/* piece_table.c - see piece_table.h. */
#include "piece_table.h"

#include "checked.h"
#include "rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* In a half-full table, random keys form runs of some tens at most. */
enum { MAX_PROBES = 4096 };

gm_status gm_piece_table_create(gm_piece_table *out, size_t n, gm_error *err) {
  *out = (gm_piece_table){0};
  size_t capacity = 16;
  while (capacity / 2 < n)
    if (!gm_mul_size(capacity, 2, &capacity)) return gm_fail_memory(err, "a vocabulary", n);
  out->slots = calloc(capacity, sizeof *out->slots);
  if (!out->slots) return gm_fail_memory(err, "a vocabulary", capacity * sizeof *out->slots);
  out->capacity = capacity;
  return GM_OK;
}

/* The slot where the key is or would be; NULL after MAX_PROBES. */
static gm_piece_slot *probe(const gm_piece_table *table, const char *key, size_t length) {
  size_t mask = table->capacity - 1;
  assert(table->capacity > 0 && (table->capacity & mask) == 0);
  size_t at = (size_t)gm_mix64(gm_fnv1a(key, length)) & mask;
  for (size_t i = 0; i < MAX_PROBES; i++, at = (at + 1) & mask) {
    gm_piece_slot *slot = &table->slots[at];
    if (!slot->key) return slot;
    if (slot->length == length && memcmp(slot->key, key, length) == 0) return slot;
  }
  return NULL;
}

gm_status gm_piece_table_add(gm_piece_table *table, const char *key, size_t length,
                             int32_t value, gm_error *err) {
  gm_piece_slot *slot = length <= UINT32_MAX ? probe(table, key, length) : NULL;
  if (!slot)
    return gm_fail(err, GM_ERR_MODEL,
                   "the vocabulary cannot be indexed: too many of its pieces collide");
  if (slot->key) return GM_OK;
  *slot = (gm_piece_slot){key, (uint32_t)length, value};
  if (length > table->max_length) table->max_length = length;
  return GM_OK;
}

int32_t gm_piece_table_find(const gm_piece_table *table, const char *key, size_t length) {
  if (length > table->max_length) return -1;
  const gm_piece_slot *slot = probe(table, key, length);
  return slot && slot->key ? slot->value : -1;
}

void gm_piece_table_free(gm_piece_table *table) {
  free(table->slots);
  *table = (gm_piece_table){0};
}
