/* name_table.h - numbers strings in the order in which they are met, each once. */
#ifndef CLI_NAME_TABLE_H
#define CLI_NAME_TABLE_H

#include <stddef.h>

#define NAME_NONE ((size_t)-1)

typedef struct name_table {
  char **names; /* [n] */
  size_t n, capacity;
  size_t *slots; /* [n_slots]: 1 + a name's number, 0 where free */
  size_t n_slots;
} name_table;

/* The number of a name (no zero bytes in it), which is added where it is new. NAME_NONE: memory
 * is short. */
size_t name_table_add(name_table *table, const char *name, size_t length);
/* NAME_NONE where it is not there. */
size_t name_table_find(const name_table *table, const char *name, size_t length);
/* The same by the whole of a string, in NFC: names that Unicode takes for one (gm_name_compare)
 * are one. A table of such names is used with these two only. */
size_t name_table_add_name(name_table *table, const char *name);
size_t name_table_find_name(const name_table *table, const char *name);
void name_table_free(name_table *table);

#endif
