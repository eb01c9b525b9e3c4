/* name_table.c - see name_table.h. A hash table with open addressing. */
#include "name_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static size_t hash(const char *name, size_t length) {
  uint64_t h = 14695981039346656037u; /* FNV-1a with its high bits folded in, because the low
                                         ones choose the slot. */
  for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)name[i]) * 1099511628211u;
  return (size_t)(h ^ h >> 32);
}

/* The slot of the name, or the free slot for it. */
static size_t slot_of(const gm_name_table *t, const char *name, size_t length) {
  size_t mask = t->n_slots - 1, i = hash(name, length) & mask;
  for (; t->slots[i]; i = (i + 1) & mask) {
    const char *there = t->names[t->slots[i] - 1];
    if (strncmp(there, name, length) == 0 && there[length] == 0) break;
  }
  return i;
}

/* At most half of the slots are used. */
static bool grow(gm_name_table *t) {
  size_t capacity = t->capacity ? 2 * t->capacity : 64;
  char **names = realloc(t->names, capacity * sizeof *names);
  if (names) t->names = names;
  size_t *slots = names ? calloc(2 * capacity, sizeof *slots) : NULL;
  if (!slots) return false;
  free(t->slots);
  t->slots = slots;
  t->n_slots = 2 * capacity;
  t->capacity = capacity;
  for (size_t i = 0; i < t->n; i++) slots[slot_of(t, names[i], strlen(names[i]))] = i + 1;
  return true;
}

size_t gm_name_table_find(const gm_name_table *t, const char *name, size_t length) {
  size_t taken = t->n_slots ? t->slots[slot_of(t, name, length)] : 0;
  return taken ? taken - 1 : GM_NAME_NONE;
}

size_t gm_name_table_add(gm_name_table *t, const char *name, size_t length) {
  size_t found = gm_name_table_find(t, name, length);
  if (found != GM_NAME_NONE) return found;
  if (t->n == t->capacity && !grow(t)) return GM_NAME_NONE;
  char *copy = strndup(name, length);
  if (!copy) return GM_NAME_NONE;
  t->slots[slot_of(t, name, length)] = t->n + 1;
  t->names[t->n] = copy;
  return t->n++;
}

/* The NFC form is hashed and compared too; gm_name_compare would have to compare each pair. */
static char *nfc(const char *name) {
  return (char *)utf8proc_NFC((const utf8proc_uint8_t *)name);
}

size_t gm_name_table_find_name(const gm_name_table *t, const char *name) {
  char *form = nfc(name);
  const char *key = form ? form : name; /* a name that is not UTF-8 has no NFC form */
  size_t found = gm_name_table_find(t, key, strlen(key));
  free(form);
  return found;
}

size_t gm_name_table_add_name(gm_name_table *t, const char *name) {
  char *form = nfc(name);
  const char *key = form ? form : name;
  size_t found = gm_name_table_add(t, key, strlen(key));
  free(form);
  return found;
}

void gm_name_table_free(gm_name_table *t) {
  for (size_t i = 0; i < t->n; i++) free(t->names[i]);
  free(t->names);
  free(t->slots);
  *t = (gm_name_table){0};
}
