/* export_list.h - what gromatic wrote into a folder: FOLDER/.gromatic-export, JSON
 * {"format", "classes": [name, ...], "files": [name, ...], "sums": [SHA-256 of each file, ...],
 * "links": [name, ...]}. */
#ifndef CLI_EXPORT_LIST_H
#define CLI_EXPORT_LIST_H

#include <jansson.h>
#include <stdbool.h>

#define EXPORT_LIST ".gromatic-export"

/* "folder/name", for free(); NULL if memory is short. */
char *export_join(const char *folder, const char *name);

/* The folder's list, whose names are all below the folder; NULL if there is none that can be
 * used. */
json_t *export_list_read(const char *folder);
/* False with errno. */
bool export_list_write(const char *folder, json_t *list);

#endif
