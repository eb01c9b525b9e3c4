/* name_table.h - numbers different strings in the order in which they come. */
#ifndef CLI_NAME_TABLE_H
#define CLI_NAME_TABLE_H

#include <stddef.h>

#define NAME_NONE ((size_t)-1)

typedef struct name_table {
  char **names; /* [n] */
  size_t n, capacity;
  size_t *slots; /* [n_slots]: 1 + a name's number; 0: free */
  size_t n_slots;
} name_table;

/* The number of a name (without zero bytes), which is added if it is new. NAME_NONE: memory is
 * short. */
size_t name_table_add(name_table *table, const char *name, size_t length);
/* NAME_NONE if it is not in the table. */
size_t name_table_find(const name_table *table, const char *name, size_t length);
/* The same for strings that are compared in NFC (gm_name_compare). Use only these two calls for
 * such a table. */
size_t name_table_add_name(name_table *table, const char *name);
size_t name_table_find_name(const name_table *table, const char *name);
void name_table_free(name_table *table);

#endif
