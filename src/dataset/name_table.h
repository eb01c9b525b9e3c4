/* name_table.h - numbers different strings in the order in which they come. */
#ifndef GM_NAME_TABLE_H
#define GM_NAME_TABLE_H

#include <stddef.h>

#define GM_NAME_NONE ((size_t)-1)

typedef struct gm_name_table {
  char **names; /* [n] */
  size_t n, capacity;
  size_t *slots; /* [n_slots]: 1 + a name's number; 0: free */
  size_t n_slots;
} gm_name_table;

/* The number of a name (without zero bytes), which is added if it is new. GM_NAME_NONE: memory
 * is short. */
size_t gm_name_table_add(gm_name_table *table, const char *name, size_t length);
/* GM_NAME_NONE if it is not in the table. */
size_t gm_name_table_find(const gm_name_table *table, const char *name, size_t length);
/* The same for strings that are compared in NFC (gm_name_compare). Use only these two calls for
 * such a table. */
size_t gm_name_table_add_name(gm_name_table *table, const char *name);
size_t gm_name_table_find_name(const gm_name_table *table, const char *name);
void gm_name_table_free(gm_name_table *table);

#endif
