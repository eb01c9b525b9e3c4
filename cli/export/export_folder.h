/* export_folder.h - a folder of many files that changes at once.
 *
 * A new folder is filled beside its place and renamed. One that is there is filled under
 * FOLDER/.gromatic-new, which is renamed to .gromatic-ready once it is whole; then each file
 * takes its place. A run that was killed before that leaves the old state and a part that the
 * next run removes; one that was killed after it is ended by the next run. A list of what
 * gromatic wrote stays in the folder (export_list.h): nothing else is removed. */
#ifndef CLI_EXPORT_FOLDER_H
#define CLI_EXPORT_FOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct export_folder {
  const char *path;
  char *stage;           /* where it is filled; NULL once it is in place */
  bool fresh;            /* the stage becomes the folder */
  int lock;              /* -1: none */
  json_t *before;        /* the list of an earlier export; NULL: none */
  json_t *files, *links; /* names below the folder; files in the order in which they appear */
} export_folder;

/* Ends what a killed run began in the folder, unless another process is at it. */
void export_folder_recover(const char *path);
/* Missing, or nothing in it. */
bool export_folder_is_empty(const char *path);

/* The rest: false with errno. End it in any case. replace: the folder may have an export in it;
 * else ENOTEMPTY where anything is. */
bool export_folder_begin(export_folder *folder, const char *path, bool replace);
/* A file below the folder, as "labels/x.txt". Close it with export_close. Files that say what
 * the others mean stand at the top and come last. */
FILE *export_folder_open(export_folder *folder, const char *name);
/* The picture under that name: a hard link, and where there can be none a symbolic one. ENOENT
 * and the like: there is no such file; EEXIST: another file has that name, which is no link of
 * ours. */
bool export_folder_link(export_folder *folder, const char *picture, const char *name);
/* Whether all may take its place (export_places.h). Unlike the rest it tells itself why not. */
bool export_folder_may_commit(const export_folder *folder, bool force);
/* Puts all in place. */
bool export_folder_commit(export_folder *folder, const char *format, json_t *classes);
void export_folder_end(export_folder *folder);

#endif
